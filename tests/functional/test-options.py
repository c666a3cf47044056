#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every option of QEMU 11.1 (its -help): it is taken, or refused with what to write instead; none
is unknown or silently ignored."""

import concurrent.futures
import os
import subprocess
import tempfile

import vmm
from monitors import QTEST, Qtest, negotiated, program

VMM = vmm.program("qemu-system-x86_64")

# Options with an argument that is taken.
TAKEN = """
-S|-accel kvm|-accel accel=kvm,kernel-irqchip=split|-action panic=pause
-action reboot=shutdown,shutdown=pause|-action watchdog=none|-audio none|-audiodev none,id=a|-bios x
-blockdev file,node-name=a,filename=x|-boot order=c,menu=off,strict=on|-chardev null,id=a
-chardev pty,id=a,logfile=x,logappend=on|-compat deprecated-input=accept,unstable-output=accept
-cpu host|-cpu max,-avx512f|-d guest_errors,unimp|-D /dev/null|-daemonize|-debugcon null
-debugcon none|-debugcon chardev:a|-device virtio-rng-pci|-display none
-drive file=x,format=raw,if=virtio|-echr 0x01|-enable-kvm|-fw_cfg name=opt/a,string=x
-global virtio-net-pci.mac=52:54:00:00:00:01
-global driver=virtio-net-pci,property=mac,value=52:54:00:00:00:01|-initrd x|-kernel x|-append x
-shim x|-snapshot|-cdrom x|-cdrom a,b|-hda x|-hdb x|-hdc x|-hdd a,b|-accel kvm,device=/dev/kvm
-L /usr/share/qemu|-M q35|-machine q35,smm=off|-m 1G|-m size=1G
-mon chardev=a,mode=control,pretty=on|-monitor none|-msg timestamp=on,guest-name=on
-name guest=a,process=b,debug-threads=on|-net none|-net nic|-net user|-netdev user,id=a|-nic none
-nic user,model=virtio-net-pci|-no-reboot|-no-shutdown|-no-user-config|-nodefaults|-nographic
-numa node|-object rng-random,id=a,filename=/dev/urandom|-overcommit mem-lock=off,cpu-pm=off
-parallel none|-pidfile x|-qmp null|-qmp-pretty null|-rtc base=utc,clock=host,driftfix=slew
-run-with chroot=/,user=nobody,exit-with-parent=on
-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny|-serial null
-serial mon:stdio|-smbios type=1,serial=x|-uuid 00000000-0000-0000-0000-000000000001|-vga none
-watchdog-action reset|-add-fd fd=9,set=1,opaque=x|-smp 1|-smp 2,sockets=1,cores=2,threads=1
"""

# Options that are refused, with the beginning of what is said instead.
REFUSED = {
    "-acpitable file=x": "The guest's ACPI tables", "-dfilter 0x1000": "Use -d",
    "-dtb x": "x86 machines", "-dump-vmstate x": "TDs are not migrated",
    "-enable-sync-profile": "Use -d", "-fda x": "There is no floppy",
    "-fdb x": "There is no floppy", "-fsdev local,id=a": "Use virtiofsd",
    "-full-screen": "There is no graphics", "-gdb tcp::1": "A TD's reg",
    "-icount 1": "A TD runs on KVM",
    "-incoming defer": "TDs are not", "-iscsi user=a": "There are no iSCSI", "-jitdump": "A TD runs on KVM",
    "-k de": "There is no graphics",
    "-loadvm x": "TDs are not", "-mem-path /x": "Use -object memory-backend-file",
    "-mem-prealloc": "A TD's private memory",
    "-mtdblock x": "There is no flash", "-no-fd-bootchk": "There is no floppy",
    "-only-migratable": "TDs are not",
    "-option-rom x": "Option ROMs", "-perfmap": "A TD runs on KVM",
    "-pflash x": "There is no flash", "-plugin x": "A TD runs on KVM",
    "--preconfig": "Give the options", "-s": "A TD's registers", "-sd x": "Use -drive",
    "-seed 1": "A TD runs on KVM",
    "-set device.a.b=c": "Write the property", "-spice port=1": "There is no graphics",
    "-tpmdev passthrough,id=a": "There is no TPM", "-trace kvm*": "Use -d",
    "-usb": "There is no USB", "-usbdevice tablet": "There is no USB",
    "-virtfs local": "Use virtiofsd", "-vnc :0": "There is no graphics",
    "-win2k-hack": "There is no IDE", "-xen-attach": "There is no Xen",
    "-xen-domid 1": "There is no Xen", "-xen-domid-restrict": "There is no Xen",
    # Removed from QEMU, and still in scripts.
    "-no-acpi": "Use -machine acpi=off", "-no-hpet": "Use -machine hpet=off",
    "-runas nobody": "Use -run-with user=",
    "-chroot /": "Use -run-with chroot=", "-writeconfig x": "No configuration file",
    "-soundhw hda": "There is no sound",
    "-balloon virtio": "A TD's memory", "-localtime": "Use -rtc base=localtime",
    "-no-kvm": "Use -accel kvm", "-watchdog i6300esb": "There is no",
    "-singlestep": "A TD runs on KVM", "-sdl": "There is no graphics",
    "-curses": "There is no graphics", "-enable-hax": "A TD runs on KVM",
    "-tdf": "Use -rtc", "-startdate now": "Use -rtc base=", "-redir tcp:1::2": "Use -nic",
    "-tb-size 1": "A TD runs on KVM", "-mtdblock y": "There",
}

# The names in QEMU 11.1's -help.
QEMU = """
preconfig D L M S accel acpitable action add-fd append audio audiodev bios blockdev boot cdrom
chardev compat cpu d daemonize debugcon device dfilter display drive dtb dump-vmstate echr
enable-kvm enable-sync-profile fda fsdev full-screen fw_cfg gdb global h hda hdc help icount
incoming initrd iscsi jitdump k kernel loadvm m machine mem-path mem-prealloc mon monitor msg
mtdblock name net netdev nic no-fd-bootchk no-reboot no-shutdown no-user-config nodefaults nographic
numa object only-migratable option-rom overcommit parallel perfmap pflash pidfile plugin qmp
qmp-pretty readconfig rtc run-with s sandbox sd seed serial set shim smbios smp snapshot spice
tpmdev trace usb usbdevice uuid version vga virtfs vnc watchdog-action win2k-hack xen-attach
xen-domid xen-domid-restrict
""".split()


# The device types in its -device help, without those of processors but two.
DEVICES = """
AC97 AMDVI-PCI ES1370 VGA acpi-erst adlib am53c974 amd-iommu ati-vga bochs-display cirrus-vga
cs4231a ctucan_pci cxl-downstream cxl-rp cxl-switch-mailbox-cci cxl-type3 cxl-upstream dc390 e1000
e1000-82544gc e1000-82545em e1000e edu emmc floppy guest-loader gus hda-duplex hda-micro hda-output
hv-balloon hv-syndbg hyperv-testdev i2c-ddc i2c-echo i6300esb i8042 i82550 i82551 i82557a i82557b
i82557c i82558a i82558b i82559a i82559b i82559c i82559er i82562 i82801 i82801b11-bridge ib700
ich9-ahci ich9-intel-hda ich9-usb-ehci1 ich9-usb-ehci2 ich9-usb-uhci1 ich9-usb-uhci2 ich9-usb-uhci3
ich9-usb-uhci4 ich9-usb-uhci5 ich9-usb-uhci6 ide-cd ide-cf ide-hd igb intel-hda intel-iommu ioh3420
iommu-testdev ipmi-bmc-extern ipmi-bmc-sim ipoctal232 isa-applesmc isa-cirrus-vga isa-debug-exit
isa-debugcon isa-fdc isa-ide isa-ipmi-bt isa-ipmi-kcs isa-parallel isa-serial isa-vga
ivshmem-doorbell ivshmem-plain kvaser_pci loader lsi53c810 lsi53c895a mc146818rtc megasas
megasas-gen2 mioe3680_pci mptsas1068 ne2k_isa ne2k_pci nec-usb-xhci nitro-heartbeat
nitro-serial-vsock nvdimm nvme nvme-ns nvme-subsys pc-dimm pc-testdev pci-bridge pci-bridge-seat
pci-ipmi-bt pci-ipmi-kcs pci-ohci pci-serial pci-serial-2x pci-serial-4x pci-testdev pcie-pci-bridge
pcie-root-port pcm3680_pci pcnet piix3-ide piix3-usb-uhci piix4-ide piix4-usb-uhci pvpanic
pvpanic-pci pvscsi pxb pxb-cxl pxb-pcie qemu-xhci ramfb rocker rtl8139 sb16 scsi-block scsi-cd
scsi-generic scsi-hd sd-card sd-card-spi sdhci-pci secondary-vga smbus-ipmi sp-mem tpci200 tpm-crb
tpm-tis tulip u2f-passthru ufs ufs-lu usb-audio usb-bot usb-braille usb-ccid usb-ehci usb-hub
usb-kbd usb-mouse usb-mtp usb-net usb-serial usb-storage usb-tablet usb-uas usb-wacom-tablet
vfio-pci vfio-pci-igd-lpc-bridge vfio-pci-nohotplug vfio-user-pci vhost-scsi vhost-scsi-pci
vhost-scsi-pci-non-transitional vhost-scsi-pci-transitional vhost-user-blk vhost-user-blk-pci
vhost-user-blk-pci-non-transitional vhost-user-blk-pci-transitional vhost-user-fs-device
vhost-user-fs-pci vhost-user-gpio-device vhost-user-gpio-pci vhost-user-i2c-device
vhost-user-i2c-pci vhost-user-input vhost-user-input-pci vhost-user-rng vhost-user-rng-pci
vhost-user-rtc vhost-user-rtc-pci vhost-user-scsi vhost-user-scsi-pci
vhost-user-scsi-pci-non-transitional vhost-user-scsi-pci-transitional vhost-user-snd
vhost-user-snd-pci vhost-user-spi-device vhost-user-spi-pci vhost-user-test-device
vhost-user-test-device-pci vhost-user-vsock-device vhost-user-vsock-pci
vhost-user-vsock-pci-non-transitional vhost-vdpa-device vhost-vdpa-device-pci
vhost-vdpa-device-pci-non-transitional vhost-vdpa-device-pci-transitional vhost-vsock-device
vhost-vsock-pci vhost-vsock-pci-non-transitional virtconsole virtio-9p-device virtio-9p-pci
virtio-9p-pci-non-transitional virtio-9p-pci-transitional virtio-balloon-device virtio-balloon-pci
virtio-balloon-pci-non-transitional virtio-balloon-pci-transitional virtio-blk-device virtio-blk-pci
virtio-blk-pci-non-transitional virtio-blk-pci-transitional virtio-crypto-device virtio-crypto-pci
virtio-input-host-device virtio-input-host-pci virtio-iommu-device virtio-iommu-pci
virtio-keyboard-device virtio-keyboard-pci virtio-mem virtio-mem-pci virtio-mouse-device
virtio-mouse-pci virtio-multitouch-device virtio-multitouch-pci virtio-net-device virtio-net-pci
virtio-net-pci-non-transitional virtio-net-pci-transitional virtio-pmem virtio-pmem-pci
virtio-rng-device virtio-rng-pci virtio-rng-pci-non-transitional virtio-rng-pci-transitional
virtio-rtc-device virtio-rtc-pci virtio-scsi-device virtio-scsi-pci virtio-scsi-pci-non-transitional
virtio-scsi-pci-transitional virtio-serial-device virtio-serial-pci
virtio-serial-pci-non-transitional virtio-serial-pci-transitional virtio-sound-device
virtio-sound-pci virtio-tablet-device virtio-tablet-pci virtserialport vmbus-bridge vmclock
vmcoreinfo vmgenid vmmouse vmware-svga vmxnet3 x-pci-proxy-dev x3130-upstream xen-backend xen-cdrom
xen-console xen-disk xen-net-device xen-platform xio3130-downstream host-x86_64-cpu
EPYC-v4-x86_64-cpu
""".split()


def run(line):
    return vmm.run([VMM, *line.split(" ")])


def test_taken():
    """Parsed: what is wrong is the option behind it."""
    for line in TAKEN.replace("\n", "|").strip("|").split("|"):
        status, out, err = run(line + " -smp 0")
        assert status == 1 and out == "", (line, status, out, err)
        assert "-smp 0: Invalid CPU topology" in err, (line, status, out, err)


def test_refused():
    for line, expected in REFUSED.items():
        status, out, err = run(line)
        name = line.split(" ")[0]
        assert status == 1 and out == "", (line, status, out, err)
        assert f"{name}: not available here\n{expected}" in err, (line, expected, err)


def test_all():
    known = {w.split(" ")[0].lstrip("-") for w in [*TAKEN.replace("\n", "|").strip("|").split("|"),
                                                   *REFUSED]}
    missing = set(QEMU) - known - {"h", "help", "version", "readconfig"}
    assert not missing, missing


def test_devices():
    """Each is there, or its refusal says what to use or why it is not needed."""
    status, out, _ = run("-device help")
    assert status == 0
    there = {line.split('"')[1] for line in out.splitlines() if line.startswith("name")}
    assert len(there) > 15, there
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for name, (_, _, err) in zip(DEVICES,
                                     pool.map(lambda name: run(f"-device {name} -smp 0"), DEVICES)):
            if name in there:
                assert "-smp 0" in err, (name, err)
            else:
                hint = err.partition("\n")[2] or err
                assert "-smp 0" in err or ("-device help" not in hint and "Did you mean" not in hint
                                           and len(hint) > 10), (name, err)


def test_readconfig():
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "machine.cfg")

        def write(text):
            with open(path, "w", encoding="ascii") as f:
                f.write(text)

        write('# a machine\n\n[machine]\n  type = "q35"\n  acpi = "on"\n[smp-opts]\n  cpus = '
              '"2"\n\n[memory]\n  size = "256M"\n'
              '[chardev "log"]\n  backend = "file"\n  path = "DIR/a,b"\n[device "rng"]\n  driver = '
              '"virtio-rng-pci"\n  addr = "5.0"\n'
              '[global]\n  driver = "virtio-rng-pci"\n  property = "event_idx"\n  value = "off"\n'
              '[object "o"]\nqom-type = "rng-builtin"\n'.replace("DIR", directory))
        # The machine has its own chardevs and qtest server besides.
        with program(*QTEST, "-readconfig", path,
                     "-qmp", "unix:DIR/qmp,server=on,wait=off") as (p, run_directory):
            qmp = negotiated(os.path.join(run_directory, "qmp"))
            assert qmp.command("qom-get", path="/machine/peripheral/rng", property="addr") == "05.0"
            assert qmp.command("qom-get", path="/machine/peripheral/rng", property="event_idx") is \
                False
            assert qmp.command("query-memory-size-summary")["base-memory"] == 256 << 20
            assert {"o"} <= {o["name"] for o in qmp.command("qom-list", path="/objects")}
            assert os.path.exists(os.path.join(directory, "a,b"))
            qmp.command("quit")
            p.wait()
        for text, expected in (
                ("[machine\n", ":1: parse error"), ("x = \"y\"\n", ":1: no group defined"),
                ("[machine]\nx = y\n", ":2: parse error"),
                ("\n[machine]\nfoo = \"1\"\n", ":2: Property 'pc-q35-11.1-machine.foo' not found"),
                ("[vnc]\n", ":1: there are no sections"),
                ("[device \"a\"]\ndriver = \"e1001\"\n", ":1: 'e1001' is not a valid device"),
                ("[machine]]\n", ":1: parse error"),
                ("[smp-opts]\ncpus = \"\"\n", ":1: Parameter 'cpus' expects"),
                ("[" + "x" * 5000 + "]\n", ":1: parse error"),
                ("[machine]\n" + "x" * 200 + " = \"1\"\n", ":2: parse error")):
            write(text)
            status, _, err = vmm.run([VMM, "-readconfig", path])
            assert status == 1 and path + expected in err, (text, err)
        status, _, err = run("-readconfig /nonexistent/x")
        assert status == 1 and "Cannot read config file /nonexistent/x" in err, err


def test_data_directory():
    with tempfile.TemporaryDirectory() as directory:
        with open(os.path.join(directory, "odd.fd"), "wb") as f:
            f.write(b"\0" * 100)
        line = [VMM, "-accel", "qtest", "-nodefaults", "-display", "none", "-bios", "odd.fd"]
        for more, expected in (([], "could not load PC BIOS 'odd.fd'"),
                               (["-L", directory], f"could not load PC BIOS '{directory}/odd.fd'"),
                               (["-L", "/nonexistent", "-L", directory],
                                f"could not load PC BIOS '{directory}/odd.fd'")):
            status, _, err = vmm.run(line + more)
            assert status == 1 and expected in err, (more, err)


def test_debugcon():
    with program(*QTEST, "-debugcon", "file:DIR/log",
                 "-global", "isa-debugcon.iobase=0x402") as (p, directory):
        qtest = Qtest(os.path.join(directory, "qtest"))
        qtest.ask("outb 0x402 0x68", "outb 0x402 0x69")
        p.process.terminate()
        p.wait()
        with open(os.path.join(directory, "log"), "rb") as f:
            assert f.read() == b"hi"


def test_smp():
    """vCPUs that could be plugged later are none of a TD's; management software names them by
    habit."""
    done = subprocess.run([VMM, "-smp", "2,maxcpus=4", "-machine", "none", "-S", "-qmp", "null",
                           "-append", "x"], capture_output=True,
                          stdin=subprocess.DEVNULL, check=False, text=True, timeout=30)
    assert "warning: maxcpus=4: vCPUs cannot be plugged into a running machine: it has 2, the topology has room for 4" in done.stderr, \
        done.stderr


if __name__ == "__main__":
    vmm.tap([("/options/taken", test_taken), ("/options/refused", test_refused),
             ("/options/all", test_all), ("/options/devices", test_devices),
             ("/options/readconfig", test_readconfig),
             ("/options/data-directory", test_data_directory),
             ("/options/debugcon", test_debugcon), ("/options/smp", test_smp)])
