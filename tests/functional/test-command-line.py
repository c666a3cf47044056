#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Bad command lines: each gives one clear error on stderr and exit status 1; help and version give
0."""

import json
import os
import subprocess
import tempfile

import qmp
import vmm
from qmp import Qmp

VMM = vmm.program("qemu-system-x86_64")
TD = ["-object", "tdx-guest,id=tdx0", "-machine", "q35,confidential-guest-support=tdx0"]

QTEST = ["-accel", "qtest", "-nodefaults", "-display", "none"]

# (arguments, what the first line on stderr must contain)
BAD = [
    (["-nosuchopt"], "-nosuchopt: invalid option"),
    (["--nosuchopt"], "--nosuchopt: invalid option"),
    (["-no-hpet"], "not available here\nUse -machine hpet=off"),
    (["-no-acpi"], "not available here\nUse -machine acpi=off"),
    (["-nographc"], "-nographc: invalid option\nDid you mean -nographic?"),
    (["--smb"], "--smb: not available here\nUse -nic user"),
    (["-q"], "invalid option\nSee -help"),
    (["-s"], "not available here\nA TD's registers and memory cannot be read: there is no gdb"),
    (["-gdb", "tcp::1234"],
     "not available here\nA TD's registers and memory cannot be read: there is no gdb"),
    (["-incoming", "defer"], "not available here\nTDs are not migrated"),
    (["-loadvm", "x"], "not available here\nTDs are not migrated"),
    (["-only-migratable"], "not available here\nTDs are not migrated"),
    (["-drive", "file=x,snapshot=2"], "Parameter 'snapshot' expects 'on' or 'off'"),
    (["-pflash", "x"],
     "not available here\nThere is no flash memory: a TD has no read-only memory"),
    (["-drive", "if=pflash,file=x"],
     "unsupported bus type 'pflash': none, virtio or ide\nThere is no flash memory"),
    (["-drive", "if=sd,file=x"],
     "unsupported bus type 'sd': none, virtio or ide\nThere is no SD or floppy controller"),
    (["-hdc", "x", "-cdrom", "y"], "drive with index=2 exists already: ide2-hd0"),
    (["-hda", "x", "-hda", "y"], "drive with index=0 exists already: ide0-hd0"),
    (["-hda", "x", "-drive", "if=ide,index=0,file=y"],
     "drive with index=0 exists already: ide0-hd0"),
    (QTEST + ["-hda", "/nowhere/x"], "Could not open '/nowhere/x': No such file or directory"),
    (["-cdrom", "x", "-cdrom", "y"], "drive with index=2 exists already: ide2-cd0"),
    (["-drive", "if=none,id=x"], "a drive without a file: file=PATH is missing"),
    (["-drive", "file=x,throttling.iops-total=100"],
     "Invalid parameter 'throttling.iops-total'\nDisks are not throttled here: use the cgroup"),
    (["-drive", "file=x,bps_max=100"], "Invalid parameter 'bps_max'\nDisks are not throttled here"),
    (["-blockdev", "throttle,node-name=a,throttle-group=b,file=c"],
     "Unknown driver 'throttle'\nDisks are not throttled here"),
    (["-blockdev", "file,node-name=a b,filename=x"], "Invalid node-name: 'a b'"),
    (["-blockdev", '{"driver":"raw","node-name":"a","file":"b","backing":null}'],
     "Parameter 'backing' is unexpected"),
    (["-drive", "if=scsi,file=x,media=cdrom"],
     "unsupported bus type 'scsi': none, virtio or ide\nThere is no SD"),
    (QTEST + ["-drive", "if=none,id=x,media=cdrom", "-device", "virtio-blk-pci,drive=x"],
     "Device needs media, but drive is empty\n-drive without file= is for a CD drive (scsi-cd)"),
    (QTEST + ["-cdrom", "/nowhere/x"], "Could not open '/nowhere/x': No such file or directory"),
    (QTEST + ["-drive", "media=cdrom,format=qcow2", "-cdrom", "/nowhere/x"],
     "Could not open '/nowhere/x': No such file or directory"),
    (QTEST + ["-drive", "if=none,id=e,media=cdrom", "-blockdev", "qcow2,node-name=q,file=e"],
     "node 'q' of format qcow2 needs a node of driver file, and 'e' is none"),
    (QTEST + ["-blockdev", "qcow2,node-name=q,file=a", "-blockdev", "raw,node-name=a,file=b",
              "-blockdev", "raw,node-name=b,file=a"],
     "node 'q' of format qcow2 needs a node of driver file, and 'a' is none"),
    (["-drive", "file=x,media=tape"], "'tape' invalid media: disk or cdrom"),
    (["-drive", "file=x,cache.direct=2"], "Parameter 'cache.direct' expects 'on' or 'off'"),
    (["-drive", "file=x,cache.size=2"], "Invalid parameter 'cache.size'"),
    (["-drive", "file=x,index=y"], "Parameter 'index' expects a number, not 'y'"),
    (["-drive", "fil=x"], "Invalid parameter 'fil'\nDid you mean 'file'?"),
    (["-mem-path", "/x"], "not available here\nUse -object memory-backend-file"),
    (["-mem-prealloc"], "not available here\nA TD's private memory comes from KVM"),
    (["-numa", "node", "-numa", "node"],
     "there is one NUMA node, node 0\nGive the whole memory in one memory backend"),
    (["-numa", "node,nodeid=1"], "there is one NUMA node, node 0"),
    (["-numa", "node,nod=1"], "Invalid parameter 'nod'"),
    (["-numa", "node,mem=1G", "-m", "2G"],
     "total memory for NUMA nodes (0x40000000) should equal RAM size (0x80000000)"),
    (["-numa", "dist,src=0,dst=1,val=20"],
     "Parameter 'type' does not accept value 'dist': only node"),
    (["-numa", "node,memdev=nope"], "Memory backend 'nope' not found"),
    (["-tpmdev", "passthrough,id=a"], "not available here\nThere is no TPM"),
    (["-virtfs", "local"], "not available here\nUse virtiofsd and -device vhost-user-fs-pci"),
    (["-vnc", ":0"], "not available here\nThere is no graphics card"),
    (["-balloon", "virtio"], "not available here\nA TD's memory cannot be taken back"),
    (["-trace", "kvm*"], "not available here\nUse -d tdx"),
    (["-acpitable", "file=x"], "not available here\nThe guest's ACPI tables are the machine's own"),
    (["-audio", "pa"], "'pa' is not available"),
    (["-parallel", "stdio"], "'stdio' is not available"),
    (["-bios"], "-bios: requires an argument"),
    (["disk.img"], "disk.img: disk images are not supported"),
    ([], "a machine needs firmware"),
    (["-object", "tdx-guest"], "-object tdx-guest: Parameter 'id' is missing"),
    (["-object", "tdx-guest,id=1tdx"], "Parameter 'id' expects an identifier"),
    (["-object", "tdx-guest,id=a", "-object", "tdx-guest,id=a"], "Duplicate ID 'a' for object"),
    (["-object", "tdx-guest,id=a,foo=bar"],
     "-object tdx-guest,id=a,foo=bar: Invalid parameter 'foo'"),
    (["-object", "tdx-guest,id=a,debug=on"], "Invalid parameter 'debug'"),
    (["-object", "tdx-guest,id=a,sept-ve-disable=maybe"],
     "Parameter 'sept-ve-disable' expects 'on' or 'off'"),
    (["-object", "tdx-guest,id=a,attributes=zzz"], "Parameter 'attributes' expects a uint64 value"),
    (["-object", "tdx-guest,id=a,attributes=-1"], "Parameter 'attributes' expects a uint64 value"),
    (["-object", "tdx-guest,id=a,attributes=0,sept-ve-disable=on"], "attributes"),
    (["-object", "tdx-guest,id=a,sept-ve-disable=off,attributes=0x10000000"],
     "attributes=0x10000000 (bit 28 set) contradicts sept-ve-disable=off"),
    (["-object", "tdx-guest,id=a,sept-ve-disable=on,sept-ve-disable=off"],
     "Parameter 'sept-ve-disable' is given as 'on' and as 'off'"),
    (["-object", "tdx-guest,id=a,attributes=0,attributes=0x10000000"],
     "Parameter 'attributes' is given as '0' and as '0x10000000'"),
    (["-object",
      "tdx-guest,id=a,sept-ve-disable=on,sept-ve-disable=yes,attributes=0x10000000,attributes=268435456"],
     "a machine needs firmware"),
    (TD + ["-bios", "/x", "-machine", "firmware=/y"],
     "-bios '/x' contradicts -machine firmware='/y'"),
    (["-kernel", "/x", "-machine", "kernel=/y"], "-kernel '/x' contradicts -machine kernel='/y'"),
    (TD + ["-bios", "/x", "-machine", "firmware=/x"], "could not load PC BIOS '/x'"),
    (TD + ["-machine", "memory-encryption=tdx1"],
     "-machine confidential-guest-support=tdx0 contradicts memory-encryption=tdx1"),
    (TD + ["-machine", "kernel-irqchip=split", "-accel", "kvm,kernel-irqchip=on"],
     "TDX VM requires kernel_irqchip to be split, not 'on'"),
    (["-object", "tdx-guest,id=a,mrconfigid=zz"], "mrconfigid"),
    (["-object", "tdx-guest,id=a,mrowner=AAAA"], "mrowner"),
    (["-object", "tdx-guest,id=a,mrownerconfig=" + "A" * 63], "mrownerconfig"),
    (["-object", "tdx-guest,id=a,sept-ve-disable"], "sept-ve-disable"),
    (["-object", "tdx-guest,id=a,=x"], "Expected parameter before"),
    (["-object", "nosuch,id=a"], "Parameter 'qom-type' does not accept value 'nosuch'"),
    (["-object", "memory-backend-memfd-private,id=a"],
     "Parameter 'qom-type' does not accept value"),
    (["-machine", "nope"], 'unsupported machine type: "nope"'),
    (["-machine", "nome"], 'unsupported machine type: "nome"\nDid you mean \'none\'?'),
    (["-machine", "q35,memory-encryption=tdx7"],
     "No such memory encryption object 'tdx7'\n-machine confidential-guest-support="),
    (["-object", "memory-backend-ram,id=a,size=1G,private=on"],
     "Invalid parameter 'private'\nA TD's private memory is KVM's"),
    (["-chardev", "null,id=1a"], "Parameter 'id' expects an identifier\nIdentifiers consist of"),
    (["-machine", "pc-q35-9.0"], 'unsupported machine type: "pc-q35-9.0"\nA TD\'s machine is q35'),
    (["-machine", "q35,accell=kvm"],
     "Property 'pc-q35-11.1-machine.accell' not found\nDid you mean 'accel'?"),
    (["-machine", "q35,kernel_irqchp=split"], "not found\nDid you mean 'kernel-irqchip'?"),
    (["-machine", "q35,confidental-guest-support=a"],
     "not found\nDid you mean 'confidential-guest-support'?"),
    (["-machine", "q35,pflash0=x"],
     "Property 'pc-q35-11.1-machine.pflash0' not found\nThere is no flash memory"),
    (["-machine", "q35,igvm-cfg=x"],
     "Property 'pc-q35-11.1-machine.igvm-cfg' not found\nTDs start from a TDVF image"),
    (["-machine", "q35,nvdimm=on"],
     "'nvdimm=on': this machine has no such device\nThere are no NVDIMMs"),
    (["-machine", "q35,sgx-epc.0.memdev=x"],
     "Property 'pc-q35-11.1-machine.sgx-epc.0.memdev' not found"),
    (["-machine", "q35,foo=1"], "Property 'pc-q35-11.1-machine.foo' not found"),
    (["-machine", "q35,kvm-type=tdx"],
     "kvm-type' not found\nA TD is asked for by -object tdx-guest"),
    (["-machine", "q35,kernel-irqchip=foo"],
     "Parameter 'kernel-irqchip' does not accept value 'foo'"),
    (["-machine", "q35,acpi=perhaps"], "Parameter 'acpi' does not accept value 'perhaps'"),
    (["-machine", "q35,smm=perhaps"], "Parameter 'smm' does not accept value 'perhaps'"),
    (["-machine", "q35,confidential-guest-support=nope"], "Device 'nope' not found"),
    (TD + ["-machine", "kernel-irqchip=on"], "TDX VM requires kernel_irqchip to be split"),
    (TD + ["-machine", "kernel_irqchip=off"], "TDX VM requires kernel_irqchip to be split"),
    (TD + ["-machine", "smm=on"], "TDX VM doesn't support SMM"),
    (TD + ["-machine", "pic=on"], "TDX VM doesn't support PIC"),
    (TD, "a TD needs firmware"),
    (TD + ["-bios", "/nonexistent/OVMF.fd"], "could not load PC BIOS '/nonexistent/OVMF.fd'"),
    (["-accel", "tcg"], "-accel tcg: invalid accelerator tcg"),
    (["-accel", "kvn"], "invalid accelerator kvn\nDid you mean 'kvm'?"),
    (["-accel", "kvm,foo=1"],
     "Property 'kvm-accel.foo' not found\nKnown: accel, device, kernel-irqchip"),
    (["-accel", "kvm,kernel-irqcip=split"],
     "Property 'kvm-accel.kernel-irqcip' not found\nDid you mean 'kernel-irqchip'?"),
    (["-smp", "0"], "must be greater than zero"),
    (["-smp", "x"], "Parameter 'cpus' expects a number"),
    (["-smp", "4,sockets=3"], "Invalid CPU topology"),
    (["-smp", "cpus=2,drawers=2"],
     "drawers > 1 not supported by this machine's CPU topology\nIts levels are"),
    (["-smp", "cpus=2,clusters=0"], "must be greater than zero"),
    (["-smp", "8192"],
     "Invalid SMP CPUs 8192. The max CPUs supported by machine 'pc-q35-11.1' is 4096"),
    (["-m", "1x"], "Parameter 'size' expects a non-negative number below 2^64"),
    (["-m", "-1"], "Parameter 'size' expects a non-negative number below 2^64"),
    (["-m", "99999999999999999999"], "Parameter 'size' expects a non-negative number below 2^64"),
    (["-m", "2G,maxmem=1G"],
     "maximum memory size (0x40000000) must be at least the initial memory size (0x80000000)"),
    (["-m", "1G,slots=2"], "missing 'maxmem'"),
    (["-m", "1G,sluts=2"], "Invalid parameter 'sluts'"),
    (["-smp", "4,socketss=2"],
     "Invalid parameter 'socketss': -smp takes cpus, maxcpus, sockets, dies, modules, cores, "
     "threads\nDid you mean 'sockets'?"),
    (["-smp", "6,sockets=2,cores=4"],
     "Invalid CPU topology: product of the hierarchy must match maxcpus"),
    (["-cpu", "hosst"],
     "CPU model 'hosst' is not available: host, max, base\nDid you mean 'host'?"),
    (["-cpu", "SaphireRapids"],
     "CPU model 'SaphireRapids' is not available\nDid you mean 'SapphireRapids'?"),
    (["-cpu", "EPYC"], "CPU model 'EPYC' is not available\nUse -cpu host"),
    (["-cpu", "host,+nosuchfeature"],
     "Property 'host-x86_64-cpu.nosuchfeature' not found\n-cpu help lists the features"),
    (["-cpu", "host,+avx513"],
     "Property 'host-x86_64-cpu.avx513' not found\nDid you mean 'avx512f'?"),
    (["-cpu", "host,avx2=maybe"], "Parameter 'avx2' expects 'on' or 'off'"),
    (["-cpu", "host,tsc-frequency=x"],
     "Parameter 'tsc-frequency' expects a frequency in Hz, not 'x'"),
    (["-cpu", "host,phys-bit=48"],
     "Property 'host-x86_64-cpu.phys-bit' not found\nDid you mean 'phys-bits'?"),
    (["-cpu", "host,phys-bits=99"], "phys-bits should be between 32 and 52 (but is 99)"),
    (["-cpu", "host,hv-time"],
     "CPU property 'hv-time=on' is not permitted: 'off' is\nHyper-V enlightenments need the "
     "guest's memory"),
    (["-cpu", "host,hv-vendor-id=x"],
     "CPU property 'hv-vendor-id=x' is not permitted\nHyper-V enlightenments"),
    (["-cpu", "host,kvm=off"],
     "CPU property 'kvm=off' is not permitted: 'on' is\nA TD's guest asks KVM"),
    (["-cpu", "host,avx10-version=1"],
     "CPU property 'avx10-version=1' is not permitted: '0x0' is\nThe TDX module decides it"),
    (["-cpu", "host,lbr-fmt=5"], "CPU property 'lbr-fmt=5' is not permitted: '0x0' is"),
    (["-cpu", "host,host-phys-bits-limit=40"],
     "CPU property 'host-phys-bits-limit=40' is not permitted"),
    (["-cpu", "host,level=1"], "CPU property 'level=1' is not permitted: '0x23' is"),
    (["-cpu", "host,vendor=AuthenticAMD"],
     "CPU property 'vendor=AuthenticAMD' is not permitted: 'GenuineIntel' is"),
    (["-cpu", "host,stepping=77"], "Parameter 'stepping' expects a number up to 15"),
    (["-monitor", "vc"], "character device 'vc' is not supported"),
    (["-monitor", "stdio", "-serial", "stdio"], "cannot use stdio by multiple character devices"),
    (["-display", "gtk"], "'gtk' is not available"),
    (["-d", "tdxx"] + TD + ["-bios", "/etc/passwd"],
     "unknown log item 'tdxx'\nDid you mean 'tdx'?"),
    (["-d", "nosuch"] + TD + ["-bios", "/etc/passwd"], "unknown log item 'nosuch'"),
    (["-serial", "null"] * 5, "too many serial ports"),
    (["-qmp", "tcp:localhost:4444,server=on"], "needs firmware"),
    (["-qmp", "tcp:localhost", "-machine", "none"],
     "character device 'tcp:localhost' is not supported"),
    (["-machine", "none", "-qmp", "tcp:127.0.0.1:1,wait=on"],
     "'wait' option is incompatible with socket in client connect mode"),
    (["-machine", "none", "-qmp", "unix:/tmp/x,server=on,reconnect=1"],
     "incompatible with socket in server listen mode"),
    (["-machine", "none", "-qmp", "unix:/nonexistent/x"], "Failed to connect to '/nonexistent/x'"),
    (["-machine", "none", "-qmp", "unix:/tmp/x,path=/tmp/y,colour=red"],
     "Invalid parameter 'colour'"),
    (["-machine", "none", "-qmp", "unix:/" + "x" * 200 + ",server=on,wait=off"], "too long"),
    (["-machine", "none", "-qmp", "unix:fd=77,server=on,wait=off"], "monitor"),
    (["-qmp", "unix:/tmp/x,server=maybe"], "Parameter 'server' expects 'on' or 'off'"),
    (["-qmp", "unix:,server,nowait"], "a socket needs one of path="),
    (["-qmp", "stdio", "-serial", "stdio"], "cannot use stdio by multiple character devices"),
    (["-qmp", "stdio", "-nographic"], "cannot use stdio by multiple character devices"),
    (["-mon", "chardev=a,mode=control"], '-mon: chardev "a" not found'),
    (["-mon", "a,mode=both"], "Parameter 'mode' does not accept value 'both'"),
    (["-chardev", "null,id=a", "-chardev", "null,id=a"], "Duplicate ID 'a' for chardev"),
    (["-machine", "none", "-chardev", "null,id=a", "-mon", "a", "-mon", "a"],
     "Device 'a' is in use"),
    (["-machine", "none", "-chardev", "null,id=a,mux=on", "-mon", "a,mode=control"],
     "shares its stream with nobody"),
    (["-serial", "chardev:a"], 'chardev "a" not found'),
    (["-chardev", "ringbuf,id=a,size=3"], "size of ringbuf chardev must be power of two"),
    (["-chardev", "ringbuf,id=a,size=1T"], "size of ringbuf chardev must be power of two"),
    (["-chardev", "file,id=a"], "a file needs its path"),
    (["-chardev", "file,id=a,path=/x,append=x"], "Parameter 'append' expects 'on' or 'off'"),
    (["-chardev", "socket,id=a,host=x"], "Parameter 'port' is missing"),
    (["-chardev", "socket,id=a,path=/x,fd=3"], "a socket needs one of path="),
    (["-chardev", "socket,id=a,host=x,port=1,reconnect=1,reconnect-ms=1"], "mutually exclusive"),
    (["-chardev", "socket,id=a,host=x,port=1,to=x"], "Parameter 'to' expects a number"),
    (["-machine", "none", "-chardev", "file,id=a,path=/dev/fdset/1"],
     "there is no file descriptor set /dev/fdset/1"),
    (["-machine", "none", "-chardev", "file,id=a,path=/nonexistent/x"],
     "cannot open '/nonexistent/x' for a character device"),
    (["-add-fd", "fd=1,set=1"], "fd cannot be a standard I/O stream"),
    (["-add-fd", "fd=x,set=1"], "fd option is required"),
    (["-add-fd", "fd=9"], "set option is required"),
    (["-machine", "none", "-add-fd", "fd=999,set=1"],
     "-add-fd fd=999: fd is not valid or already in use"),
    (["-mon", "mode=control"], "Parameter 'chardev' is missing"),
    (["-chardev", "socket,path=/tmp/x,server=on"], "Parameter 'id' is missing"),
    (["-chardev", "spicevmc,id=a"],
     "'spicevmc' is not a valid char driver name\nThere is no SPICE"),
    (["-chardev", "sokket,id=a"],
     "'sokket' is not a valid char driver name\nDid you mean 'socket'?"),
    (["-chardev", "vc,id=a,width=80"],
     "'vc' is not a valid char driver name\nThere is no display to show it on"),
    (["-chardev", "msmouse,id=a"],
     "'msmouse' is not a valid char driver name\nThere are no input devices"),
    (["-chardev", "serial,id=a,path=/dev/ttyS0"],
     "'serial' is not a valid char driver name\nThe host's serial and parallel ports"),
    (["-chardev", "mux,id=a,chardev=b"], "'mux' is not a valid char driver name\nWrite mux=on"),
    (["-chardev", "pipe,id=a"], "chardev: pipe: no filename given"),
    (["-chardev", "udp,id=a,host=x"], "Parameter 'port' is missing"),
    (["-chardev", "socket,id=a,path=/x,tls-creds=t"],
     "Invalid parameter 'tls-creds'\nConnections are not encrypted"),
    (["-chardev", "socket,id=a,path=/x,websocket=on"],
     "Invalid parameter 'websocket'\nUse websockify"),
    (["-machine", "none", "-chardev", "null,id=a,logfile=/nonexistent/x"],
     "cannot open '/nonexistent/x' for a character device"),
    (["-machine", "none", "-chardev", "udp,id=a,host=nobody.invalid,port=1"],
     "address resolution failed for nobody.invalid:1"),
    (["-machine", "none", "-chardev", "pipe,id=a,path=/nonexistent/x"],
     "Failed to open chardev pipe '/nonexistent/x'\nMake the pipes before"),
    (["-serial", "vc"], "character device 'vc' is not supported\nThere is no display"),
    (["-serial", "/dev/ttyS0"],
     "character device '/dev/ttyS0' is not supported\nThe host's serial"),
    (["-serial", "udp:x"], "character device 'udp:x' is not supported\nSupported: stdio"),
    (["-machine", "none", "-chardev", "pty,id=a,path=/nonexistent/x"],
     "Failed to create PTY symlink '/nonexistent/x'"),
    (["-action", "panic=maybe"], "Parameter 'panic' does not accept value 'maybe'"),
    (["-action", "watchdog=bark"], "Parameter 'watchdog' does not accept value 'bark'"),
    (["-uuid", "12345"], "failed to parse UUID string: wrong format"),
    (["-name", "a,threads=b"], "Invalid parameter 'threads'"),
    (["-machine", "none", "-bios", "/dev/null"], "-machine none has no guest: -bios is for one"),
    (["-machine", "none", "-kernel", "/dev/null"],
     "-machine none has no guest: -kernel is for one"),
    (["-machine", "none", "-object", "tdx-guest,id=a", "-machine", "confidential-guest-support=a"],
     "-machine none has no guest: confidential-guest-support is for one"),
    (["-machine", "none,accel=tcg"], "invalid accelerator tcg"),
    (["-machine", "none,accel=tcg:mshv"], "invalid accelerator tcg:mshv"),
    (["-daemonize", "-machine", "none", "-qmp", "stdio"], "stdio cannot be used with -daemonize"),
    (["-daemonize", "-nographic"], "-nographic cannot be used with -daemonize"),
    (["-daemonize", "-machine", "none", "-qmp", "unix:/nonexistent/x,server=on,wait=off"],
     "Failed to listen on '/nonexistent/x'"),
    (["-machine", "none", "-pidfile", "/nonexistent/x"], "cannot create PID file"),
    (["-rtc", "base=yesterday"],
     "invalid datetime format\nvalid formats: '2006-06-17T16:01:21' or '2006-06-17'"),
    (["-rtc", "base=2006-06-17T25:01:21"], "invalid datetime format"),
    (["-rtc", "base=2006-02-30"], "invalid datetime format"),
    (["-rtc", "base=utc,clock=vm"], "clock=vm is not available"),
    (["-rtc", "driftfix=fast"], "Parameter 'driftfix' does not accept value 'fast'"),
    (["-boot", "menu=perhaps"], "Parameter 'menu' expects 'on' or 'off'"),
    (["-boot", "menu=on,splash=x.jpg"], "splash=x.jpg is not available\nThere is no graphics card"),
    (["-boot", "splash-time=65536"],
     "Parameter 'splash-time' expects milliseconds from 0 to 65535, not '65536'"),
    (["-boot", "reboot-timeout=-2"],
     "Parameter 'reboot-timeout' expects milliseconds from -1 to 65535, not '-2'"),
    (["-boot", "z"], "Invalid boot device 'z'"),
    (["-boot", "order=cc"], "Boot device 'c' was given twice"),
    (["-watchdog-action", "bark"], "'bark' is no action of a watchdog"),
    (["-audiodev", "alsa,id=a"], "Parameter 'driver' does not accept value 'alsa'"),
    (["-audiodev", '{"driver": "none"}'], "Parameter 'id' is missing"),
    (["-msg", "colour=on"], "Invalid parameter 'colour'"),
    (["-msg", "timestamp=perhaps"], "Parameter 'timestamp' expects 'on' or 'off'"),
    (["-overcommit", "mem-lock=perhaps"], "Parameter 'mem-lock' does not accept value 'perhaps'"),
    (["-overcommit", "cpu-pm=on"], "cpu-pm=on is not available"),
    (["-run-with", "async-teardown=on"], "async-teardown=on is not available"),
    (["-run-with", "x=y"], "Invalid parameter 'x'"),
    (["-machine", "none", "-run-with", "user=nosuchuser"],
     "-run-with user=nosuchuser: there is no such user"),
    (["-machine", "none", "-run-with", "user=1:x"], "expected a user's name, or UID:GID"),
    (["-machine", "none", "-run-with", "chroot=/nonexistent"], "-run-with chroot=/nonexistent"),
    (["-sandbox", "perhaps"], "Parameter 'enable' expects 'on' or 'off'"),
    (["-sandbox", "on,spawn=children"], "Parameter 'spawn' does not accept value 'children'"),
    (["-sandbox", "on,network=deny"], "Invalid parameter 'network'"),
    (["-object", "{}"], "Parameter 'qom-type' is missing"),
    (["-object", "{'qom-type': 'zz', 'id': 'a'}"],
     "Parameter 'qom-type' does not accept value 'zz'"),
    (["-object", "{'qom-type': 'tdx-guest'}"], "Parameter 'id' is missing"),
    (["-object", "{'qom-type': 'tdx-guest', 'id': '1a'}"], "Parameter 'id' expects an identifier"),
    (["-object", "{'qom-type': 'tdx-guest', 'id': 'a', 'zzz': 1}"],
     "Parameter 'zzz' is unexpected"),
    (["-object", "{'qom-type': 'tdx-guest', 'id': 'a', 'attributes': '1'}"],
     "Invalid parameter type for 'attributes', expected: integer"),
    (["-object", "{'qom-type': 'tdx-guest', 'id': 'a', 'sept-ve-disable': 'on'}"],
     "Invalid parameter type for 'sept-ve-disable', expected: boolean"),
    (["-object", "{'qom-type': 'tdx-guest', 'id': 'a', 'mrowner': 'zz'}"], "'zz' is not base64"),
    (["-object", "{'qom-type': 'tdx-guest', 'id': 'a', 'attributes': 18446744073709551615}"],
     "does not accept bits"),
    (["-object",
      "{'qom-type': 'tdx-guest', 'id': 'a', 'quote-generation-socket': {'type': 'unix'}}"],
     "Parameter 'quote-generation-socket.path' is missing"),
    (["-object", "{'qom-type': 'tdx-guest', 'id': 'a', 'quote-generation-socket': 'unix:/x'}"],
     "Invalid parameter type for 'quote-generation-socket', expected: object"),
    (["-object", "tdx-guest,id=a,quote-generation-socket=2:4050"],
     "error parsing address '2:4050'"),
    (["-object", "tdx-guest,id=a,quote-generation-socket="],
     "error parsing address ''\nUse unix:PATH, tcp:HOST:PORT, vsock:CID:PORT or fd:NUMBER"),
    (["-object", "tdx-guest,id=a,quote-generation-socket=vsock:host:4050"],
     "Parameter 'cid' expects a number below 2^32, not 'host'"),
    (["-object", "tdx-guest,id=a,quote-generation-socket.type=vsok"],
     "does not accept value 'vsok'\nDid you mean 'vsock'?"),
    (["-object", "tdx-guest,id=a,quote-generation-socket.cid=2"],
     "Parameter 'quote-generation-socket.type' is missing"),
    (["-object", "tdx-guest,id=a,quote-generation-socket.type=vsock,quote-generation-socket.cid=2"],
     "Parameter 'quote-generation-socket.port' is missing"),
    (["-object",
      "tdx-guest,id=a,quote-generation-socket.type=unix,quote-generation-socket.paht=/x"],
     "Parameter 'quote-generation-socket.path' is missing"),
    (["-object",
      "tdx-guest,id=a,quote-generation-socket.type=unix,quote-generation-socket.path=/x,quote-generation-socket.port=1"],
     "Parameter 'quote-generation-socket.port' is unexpected"),
    (["-object",
      "tdx-guest,id=a,quote-generation-socket.type=unix,quote-generation-socket=unix:/x"],
     "Parameters 'quote-generation-socket.*' used inconsistently"),
    (["-object", "tdx-guest,id=a,quote-generation-service=vsock:2:4050"],
     "Invalid parameter 'quote-generation-service'\nUse "
     "quote-generation-socket.type=vsock,quote-generation-socket.cid=2,quote-generation-socket.port=4050"),
    (["-object", "tdx-guest,id=a,debug=on"],
     "Invalid parameter 'debug'\nA TD under KVM cannot be debugged"),
    (["-object", "tdx-guest,id=a,sept-ve-disabled=on"],
     "Invalid parameter 'sept-ve-disabled'\nDid you mean 'sept-ve-disable'?"),
    (["-object", "memory-backend-memfd-private,id=a,size=1G"],
     "does not accept value 'memory-backend-memfd-private'\nA TD's private memory needs no object "
     "of its own"),
    (["-object", "{'qom-type': 'tdx-guest', 'id': 'a'"], "JSON parse error"),
    (["-object", "memory-backend-rma,id=a"],
     "Parameter 'qom-type' does not accept value 'memory-backend-rma'"),
    (["-object", "memory-backend-ram,id=a"], "can't create backend with size 0"),
    (["-object", "memory-backend-ram,id=a,size=1G", "-machine", "memory-backend=b"],
     "Memory backend 'b' not found\n-machine memory-backend="),
    (["-object", "memory-backend-file,id=a,size=1M,mem-path=/tmp,readonly=on"],
     "Parameter 'readonly' expects 'off': the memory is a guest's RAM\nLeave it out"),
    (["-object", "memory-backend-file,id=a,size=1M,mem-path=/tmp,pmem=on"],
     "Parameter 'pmem' expects 'off'"),
    (["-object", "memory-backend-ram,id=a,size=1M,prealloc-threads=0"],
     "Parameter 'prealloc-threads' expects a number from 1"),
    (QTEST + ["-device", "pcie-root-port,pref32-reserve=1M,pref64-reserve=1G"],
     "PREF32 and PREF64 conflict\nA bridge has one prefetchable window"),
    (QTEST + ["-device", "pcie-root-port,mem-reserve=4G"], "mem-reserve must be less than 4G"),
    (["-blockdev", "file,node-name=a,filename=x,force-share=on"],
     "force-share=on can only be used with read-only images"),
    (["-blockdev", '{"driver": "qcow2", "node-name": "a", "file": "b", "backing": "c"}'],
     "an image's backing file is the one that its header names\nLeave 'backing' out"),
    (["-object", "iothread,id=a,poll-max-ns=-1"],
     "poll-max-ns value must be in range [0, 9223372036854775807]"),
    (["-object", '{"qom-type": "iothread", "id": "a", "aio-max-batch": -9}'],
     "aio-max-batch value must be in range"),
    (["-blockdev", '{"driver": "file", "node-name": "a", "filename": 7}'],
     "Invalid parameter type for 'filename', expected: string"),
    (["-blockdev", '{"driver": "file", "node-name": "a", "filename": "x", "read-only": "on"}'],
     "Invalid parameter type for 'read-only', expected: boolean"),
    (["-blockdev",
      '{"driver": "file", "node-name": "a", "filename": "x", "cache": {"direct": "on"}}'],
     "Invalid parameter type for 'cache.direct', expected: boolean"),
    (["-blockdev",
      '{"driver": "file", "node-name": "a", "filename": "x", "cache": {"writeback": true}}'],
     "Parameter 'cache.writeback' is unexpected"),
    (["-blockdev", "file,node-name=a,filename=x,cache=none"],
     "Invalid parameter type for 'cache', expected: object"),
    (["-blockdev", '{"driver": 1, "node-name": "a"}'],
     "Invalid parameter type for 'driver', expected: string"),
    (["-blockdev", '{"driver": "raw", "node-name": "a", "file": "b", "cache": "none"}'],
     "Invalid parameter type for 'cache', expected: object"),
    (["-blockdev", '{"driver": "raw", "node-name": "a", "file": 1}'],
     "Invalid parameter type for 'file', expected: a node's name or an object"),
    (QTEST + ["-blockdev", "host_device,node-name=a,filename=/etc/passwd,read-only=on"],
     "'host_device' driver requires '/etc/passwd' to be either a character or block device\n"
     "Use the driver file"),
    (QTEST + ["-blockdev", "file,node-name=a,filename=/etc/passwd,read-only=on",
              "-blockdev", "file,node-name=a,filename=/etc/group,read-only=on"],
     "-blockdev file,node-name=a,filename=/etc/group,read-only=on: "
     "Duplicate nodes with node-name='a'"),
    (QTEST + ["-blockdev", "raw,node-name=a,file=b"],
     "Cannot find device='b' nor node-name='b'"),
    (QTEST + ["-chardev", "null,id=c", "-serial", "chardev:c", "-serial", "chardev:c"],
     "serial port 1: chardev 'c' is in use"),
    (["-object", "memory-backend-ram,id=a,size=1G", "-machine", "memory-backend=a", "-m", "2G"],
     "Size specified by -m option (2147483648) must match size of explicitly specified "
     "'memory-backend' property (1073741824)"),
    (TD + ["-object", "memory-backend-ram,id=a,size=1G,prealloc=on",
           "-machine", "memory-backend=a"], "prealloc=on would fill"),
    (["-object", "secret,id=a"], "Must provide 'file' or 'data'"),
    (["-object", "secret,id=a,data=x,file=y"], "'file' and 'data' are mutually exclusive"),
    (["-object", "secret,id=a,data=x,keyid=b"], "encrypted secrets (keyid, iv) are not available"),
    (QTEST + ["-object", "secret,id=a,data=x,format=base64"],
     "secret 'a': what it holds is not base64"),
    (QTEST + ["-object", "secret,id=a,file=/nonexistent"], "Unable to read /nonexistent"),
    (QTEST + ["-object", "rng-random,id=a,filename=/nonexistent"], "Could not open '/nonexistent'"),
    (["-object", "monitor-qmp,id=a,chardev=b"], 'chardev "b" not found'),
    (["-object", "iothread,id=a,poll-max-ns=x"], "Parameter 'poll-max-ns' expects an int64 value"),
    (["-device", "e1000"],
     "-device e1000: 'e1000' is not a valid device model name\nThe network card of this machine is "
     "virtio-net-pci"),
    (["-device", "virtio-9p-pci"],
     "'virtio-9p-pci' is not a valid device model name\nUse virtiofsd and vhost-user-fs-pci"),
    (["-device", "virtio-blk-pcie"],
     "is not a valid device model name\nDid you mean 'virtio-blk-pci'?"),
    (["-device", "pc-dimm,memdev=x"],
     "is not a valid device model name\nA TD's memory cannot be grown"),
    (["-device", "virtio-mem-pci"],
     "is not a valid device model name\nA TD's memory cannot be grown"),
    (["-device", "host-x86_64-cpu"],
     "is the machine's own: vCPUs of a TD are made before it is measured"),
    (["-device", "virtio-balloon"],
     "'virtio-balloon' is not a valid device model name\nA TD's memory cannot be taken back"),
    (QTEST + ["-device", "pcie-pci-bridge,shpc=on"],
     "pcie-pci-bridge: shpc=on is not available\nUse shpc=off"),
    (["-device", "ioh3420"],
     "is not a valid device model name\nEvery device may have a PCI Express slot"),
    (["-action", "watchdog=inject-nmi"],
     "watchdog=inject-nmi is not available: a guest takes no NMI from its host\n"
     "Use watchdog=reset, shutdown, poweroff, pause, debug or none"),
    (["-watchdog-action", "inject-nmi"], "watchdog=inject-nmi is not available"),
    (QTEST + ["-device", "pci-bridge,shpc=on"],
     "pci-bridge: shpc=on is not available\nUse shpc=off"),
    (["-device", "pxb-pcie,bus_nr=64"],
     "is not a valid device model name\nThe guest sees one PCI root"),
    (["-device", "vmcoreinfo"], "is not a valid device model name\nNobody can read a TD's memory"),
    (QTEST + ["-device", "pvpanic", "-device", "pvpanic,ioport=0x600"],
     "there is one pvpanic device at most"),
    (QTEST + ["-device", "pvpanic-pci,events=8"], "pvpanic: events=8, must be 0 to 7"),
    (QTEST + ["-device", "isa-debug-exit,iosize=5"],
     "isa-debug-exit: iobase=0x501, iosize=5: 1 to 4 I/O ports"),
    (QTEST + ["-device", "virtio-rng-pci,acpi-index=16384"],
     "acpi-index should be less or equal to 16383"),
    (QTEST + ["-device", "virtio-rng-pci,acpi-index=1",
              "-device", "virtio-net-pci,netdev=n,acpi-index=1", "-netdev", "user,id=n"],
     "a PCI device with acpi-index = 1 already exist"),
    (["-device", "ide-cd,drive=x"],
     "is not a valid device model name\nThere is no IDE or SATA controller: use scsi-cd"),
    (["-id", "100"], "not available here\nThat is an option of Proxmox's QEMU"),
    (["-device", "vfio-pci,host=0"],
     "is not a valid device model name\nThere is no device assignment"),
    (["-device", "lsi53c895a"],
     "is not a valid device model name\nThe SCSI controller of this machine is virtio-scsi-pci"),
    (["-device", "tpm-tis"], "is not a valid device model name\nThere is no TPM"),
    (["-object", "sev-snp-guest,id=a"],
     "does not accept value 'sev-snp-guest'\nThis machine's confidential guests are TDs"),
    (["-object", "igvm-cfg,id=a"], "does not accept value 'igvm-cfg'\nTDs start from a TDVF image"),
    (["-object", "tdx-gest,id=a"], "does not accept value 'tdx-gest'\nDid you mean 'tdx-guest'?"),
    (["-net", "nic"], "-net nic: has no other end\nUse -nic user, or add -net user"),
    (["-net", "user"], "-net user: has no other end\nUse -nic user, or add -net nic"),
    (["-net", "nic", "-net", "nic"], "a second -net nic: there are no hubs"),
    (["-net", "nic", "-net", "usr"],
     "Parameter 'type' does not accept value 'usr'\nDid you mean 'user'?"),
    (["-net", "nic,model=e1000", "-net", "user"], "'e1000' is not a valid device model name"),
    (["-net", "nic,netdev=n,model=rtl8139"], "'rtl8139' is not a valid device model name"),
    (["-echr", "2"], "'2' is not available: the escape character is C-a"),
    (QTEST + ["-netdev", "tap,id=n,fds=0:fd4", "-device", "virtio-net-pci,netdev=n"],
     "Parameter 'fds' expects the number of an open file descriptor"),
    (QTEST + ["-netdev", "tap,id=n,fd=0,vhostfd=0"], "vhostfd= is not valid without vhost"),
    (QTEST + ["-netdev", "tap,id=n,vhost=on,vhostfd=99999"],
     "Parameter 'vhostfd' expects the number"),
    (QTEST + ["-netdev", "tap,id=n,fd=eth"],
     "Parameter 'fd' expects the number of an open file descriptor, or the name of one"),
    (["-netdev", "bridge,id=a,br=br0"], "does not accept value 'bridge'\nMake the interface first"),
    (["-netdev", "usr,id=a"], "Parameter 'type' does not accept value 'usr'\nDid you mean 'user'?"),
    (["-drive", "file=x,format=raw,detect-zeroes=maybe"],
     "Invalid parameter 'maybe': detect-zeroes is off, on or unmap"),
    (["-drive", "file=x,format=raw,detect-zeroes=unmap"],
     "setting detect-zeroes to unmap is not allowed without setting discard operation to unmap"),
    (["-drive", "file=x,format=raw,locking=no"],
     "Invalid parameter 'no': locking is on, off or auto"),
    (["-blockdev", "file,node-name=a,filename=x,detect-zeroes=2"],
     "Invalid parameter '2': detect-zeroes is off, on or unmap"),
    (["-device", "id=a"], "Parameter 'driver' is missing"),
    (["-device", "{'driver': 1}"], "Parameter 'driver' is missing"),
    (["-device", "{"], "JSON parse error"),
    (QTEST + ["-device", "pcie-root-port,bus=x"],
     "-device pcie-root-port,bus=x: Bus 'x' not found"),
    (QTEST + ["-device", "pcie-root-port,bus=isa.0"],
     "Device 'pcie-root-port' can't go on ISA bus"),
    (QTEST + ["-device", "pcie-root-port,addr=40"], "Parameter 'addr' expects SLOT"),
    (QTEST + ["-device", "pcie-root-port,id=a", "-device", "pcie-root-port,id=a"],
     "Duplicate device ID 'a'"),
    (QTEST + ["-device", "pcie-root-port,chasis=1"], "Property 'pcie-root-port.chasis' not found"),
    (QTEST + ["-device", "{'driver': 'pcie-root-port', 'port': '1'}"],
     "Invalid parameter type for 'port', expected: integer"),
    (QTEST + ["-device", "pci-device"], "Parameter 'driver' expects a non-abstract device type"),
    (QTEST + ["-device", "ICH9-LPC"], "Parameter 'driver' expects a pluggable device type"),
    (QTEST + ["-device", "isa-serial"], "Parameter 'chardev' is missing"),
    (QTEST + ["-device", "isa-serial,chardev=x"],
     "Property 'isa-serial.chardev' can't find value 'x'"),
    (QTEST + ["-global", "ICH9-LPC.disable_s3=0"],
     "can't apply global ICH9-LPC.disable_s3=0: Parameter 'disable_s3' expects 1"),
    (QTEST + ["-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=on"],
     "expects 'off': devices are plugged into pcie-root-port"),
    (QTEST + ["-global", "pcie-root-port.prt=0"],
     "can't apply global pcie-root-port.prt=0: Property 'pcie-root-port.prt' not found"),
    (["-global", "x"], "Expected '=' after parameter 'x'"),
    (["-global", "a=b"], "options 'driver', 'property', and 'value' are required"),
    (["-machine", "q35,hpet=on"], "'hpet=on': this machine has no such device"),
    (["-machine", "q35,smm=perhaps,acpi"], "Expected '=' after parameter 'acpi'"),
    (["-append", "quiet"], "-append only allowed with -kernel option"),
    (["-initrd", "/dev/null"], "-initrd only allowed with -kernel option"),
    (["-shim", "/dev/null"], "-shim only allowed with -kernel option"),
    (["-fw_cfg", "opt/a"], "name, plus exactly one of file, string and gen_id, are needed"),
    (["-fw_cfg", "opt/a,string=x,file=y"],
     "name, plus exactly one of file, string and gen_id, are needed"),
    (["-fw_cfg", "string=x"], "name, plus exactly one of file, string and gen_id, are needed"),
    (["-fw_cfg", "opt/a,gen_id=x"], "gen_id"),
    (["-fw_cfg", "opt/a,size=3"], "Invalid parameter 'size'"),
    (["-fw_cfg", "opt/" + "a" * 52 + ",string=x"], "name too long (max. 55 char)"),
]

# With firmware that is there, what is wrong with a file for the guest.
BAD_BOOT = [
    (["-device", "virtio-balloon-pci"], "virtio-balloon-pci"),
    (["-bios", "/dev/null"], "could not load PC BIOS '/dev/null': not a regular file"),
    (["-bios", "@FIFO@"], "not a regular file"),
    (["-kernel", "@FIFO@"], "not a regular file"),
    (["-serial", "file:@FIFO@"], "No such device or address\nIt is a FIFO that nobody reads"),
    (["-drive", "format=raw,file=@FIFO@"], "is neither a regular file nor a block device"),
    (["-kernel", "/nonexistent/vmlinuz"],
     "could not open kernel file '/nonexistent/vmlinuz': No such file or directory"),
    (["-kernel", "/dev/zero"], "could not open kernel file '/dev/zero': not a regular file"),
    (["-kernel", "/usr"], "could not open kernel file '/usr': not a regular file"),
    (["-kernel", "/etc/passwd"], "could not load kernel '/etc/passwd': invalid kernel header"),
    (["-kernel", "/etc/passwd", "-initrd", "/nonexistent"], "error reading initrd '/nonexistent'"),
    (["-fw_cfg", "opt/a,file=/nonexistent"], "-fw_cfg: can't load '/nonexistent'"),
    (["-fw_cfg", "opt/a,string=x", "-fw_cfg", "opt/a,string=y"],
     "fw_cfg file 'opt/a' exists already"),
]

GOOD = [
    (["-version"], "QEMU emulator version 11.1"),
    (["-help"], "usage:"),
    (["-machine", "help"], "q35"),
    (["-accel", "help"], "kvm"),
    (["-cpu", "help"], "host"),
    (["-object", "help"], "tdx-guest"),
    (["-object", "tdx-guest,help"], "mrconfigid"),
    (["-object", "memory-backend-file,help"], "mem-path=<string>"),
    (["-device", "help"], 'name "pcie-root-port", bus PCIE'),
    (["-device", "pcie-root-port,help"], "chassis=<uint8>"),
    (["-machine", "q35,help"], "memory-backend=<link<memory-backend>>"),
    (["-machine", "q35,acpi=off,help"], "memory-backend=<link<memory-backend>>"),
    (["-machine", "help"], "pc-q35-10.1"),
    (["-accel", "kvm,help"], "kernel-irqchip="),
    (["-object", "qom-type=help"], "tdx-guest"),
    (["-device", "driver=help"], 'name "pcie-root-port", bus PCIE'),
    (["-device", "virtio-blk-pci,drive=x,help"], "drive=<str>"),
    (["-nic", "user,model=help"], "virtio-net-pci"),
    (["-net", "nic,model=help"], "virtio-net-pci"),
    (["-d", "help"], "tdx"),
    (["-chardev", "help"], "ringbuf"),
    (["-netdev", "help"], "user"),
    (["-display", "help"], "none"),
    (["-vga", "help"], "none"),
    (["-run-with", "help"], "-run-with [chroot=DIR]"),
    (["-smp", "help"], "-smp [cpus=]N[,sockets=N"),
    (["-sandbox", "help"], "-sandbox on[,obsolete=deny]"),
]


def bad(arguments, expected):
    def check():
        status, out, err = vmm.run([VMM, *arguments])
        assert status == 1, f"exit status {status}, stderr {err!r}"
        assert out == "", out
        first, _, rest = err.partition("\n")
        message, _, hint = expected.partition("\n")
        assert first.startswith("qemu-system-x86_64: "), err
        assert message in first and hint in rest, f"{expected!r} is not in {err!r}"
    return check


def bad_for_both(arguments, expected):
    """What the VMM refuses before it opens anything, qemu-tdx-plan refuses in the same words."""
    def check():
        bad(arguments, expected)()
        if "qtest" not in arguments and "none" not in arguments:
            _, _, of_vmm = vmm.run([VMM, *arguments])
            status, out, err = vmm.run([vmm.program("qemu-tdx-plan"), "--json", *arguments])
            assert (status, out) == (1, ""), (status, out)
            assert err == of_vmm.replace("qemu-system-x86_64: ", "qemu-tdx-plan: "), (err, of_vmm)
    return check


def bad_boot(arguments, expected):
    def check():
        if not os.path.exists(vmm.OVMF):
            return f"{vmm.OVMF} is missing: install the package ovmf"
        with tempfile.TemporaryDirectory() as directory:
            fifo = os.path.join(directory, "fifo")
            os.mkfifo(fifo)
            given = [a.replace("@FIFO@", fifo) for a in arguments]
            return bad([*TD, "-bios", vmm.OVMF, "-nodefaults", "-display", "none", *given],
                       expected)()
    return check


def good(arguments, expected):
    def check():
        status, out, err = vmm.run([VMM, *arguments])
        assert status == 0 and err == "", (status, err)
        assert expected in out, out
    return check


def whole(text, expected):
    """Starts up, answers QMP, and ends when it is told to."""
    def check():
        if not os.path.exists(vmm.OVMF):
            return f"{vmm.OVMF} is missing: install the package ovmf"
        with tempfile.TemporaryDirectory() as directory:
            for name in ("image.raw", "image.iso"):
                with open(os.path.join(directory, name), "wb") as f:
                    f.truncate(1 << 20)
            arguments = text.format(dir=directory).split() + ["-bios", vmm.OVMF, "-S"]
            arguments += [] if "tdx-guest" in text else TD
            socket = os.path.join(directory, "qmp")
            with subprocess.Popen([*vmm.tdx_host(), VMM, *arguments,
                                   "-qmp", f"unix:{socket},server=on,wait=off"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE) as process:
                try:
                    client = qmp.Qmp(socket, 20)
                    client.command("qmp_capabilities")
                    assert client.command("query-status")["status"] == "prelaunch"
                    client.command("quit")
                    status = process.wait(20)
                finally:
                    process.kill()
                    err = [line for line in process.stderr.read().decode().splitlines()
                           if not line.startswith("swtdx: ")]
            assert status == 0, (status, err)
            assert expected in "".join(err) if expected else not err, err
            status, out, err = vmm.run([vmm.program("qemu-tdx-plan"), "--json", *arguments])
            assert status == 0 and len(json.loads(out)["mrtd"]) == 96, (status, err)
    return check


def large_files():
    """Sparse files that are larger than what the firmware can be told of, or than the guest's RAM,
    are not read to find that out."""
    # as much of a bzImage as is looked at: Documentation/arch/x86/boot.rst
    kernel = bytearray(0x8000)
    kernel[0:2], kernel[0x1f1], kernel[0x202:0x206] = b"MZ", 4, b"HdrS"
    kernel[0x206:0x208] = b"\x0f\x02"
    kernel[0x3c:0x40], kernel[0x80:0x84] = b"\x80\0\0\0", b"PE\0\0"
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "kernel")
        for size, expected in ((1 << 32,
                                "4294967296 bytes, and the firmware can be handed at most 4 GiB - 1"),
                               (256 << 20,
                                "kernel and initrd have 268435456 bytes, and the guest's RAM "
                                "134217728\nGive it more memory")):
            with open(path, "wb") as f:
                f.write(kernel)
                f.truncate(size)
            bad_boot(["-kernel", path], expected)()
        with open(path, "wb") as f:
            f.truncate(1 << 32)
        bad_boot(["-fw_cfg", f"opt/a,file={path}"],
                 "4294967296 bytes, and the firmware can be handed at most 4 GiB - 1")()


def new_root():
    """The user's name is looked up where the program starts, not in the directory that becomes its
    root."""
    if os.getuid():
        return "only root can change its root directory"
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        # LeakSanitizer needs /proc, which is not there at the end.
        done = subprocess.run([vmm.program("qemu-system-x86_64"), "-machine", "none",
                               "-qmp", "stdio", "-display", "none",
                               "-run-with", f"chroot={directory},user=nobody"],
                              input='{"execute": "qmp_capabilities"} {"execute": "quit"}',
                              env=vmm.NO_LEAK_CHECK, capture_output=True, text=True, timeout=60,
                              check=False)
        assert done.returncode == 0 and '"host-qmp-quit"' in done.stdout, done
    return None


def ends_with_parent(*user):
    """-run-with exit-with-parent=on, which the change to another user must not undo."""
    def check():
        if user and os.getuid():
            return "only root can become another user"
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "qmp")
            parent = subprocess.Popen(
                ["sh", "-c", '"$@" & read line', "sh", VMM, "-machine", "none", "-display", "none",
                 "-qmp", f"unix:{path},server=on,wait=off",
                 "-run-with", ",".join(["exit-with-parent=on", *user])],
                env=vmm.NO_LEAK_CHECK, stdin=subprocess.PIPE)
            try:
                client = Qmp(path, 60)
                client.command("qmp_capabilities")  # answered when the process is set up
                parent.kill()
                assert client.event("SHUTDOWN")["reason"] == "host-signal"
                client.close()
            finally:
                parent.kill()
                parent.wait()
                parent.stdin.close()
        return None
    return check


def ide_disks():
    """Disks for an IDE bus are on a SCSI controller that is made for them, in the order of their
    index, and with the names that QEMU gives them."""
    with tempfile.TemporaryDirectory() as directory:
        for name in ("a", "b,c", "d", "e"):
            with open(os.path.join(directory, name), "wb") as f:
                f.truncate(1 << 20)
        path = os.path.join(directory, "qmp")
        with subprocess.Popen([VMM, *QTEST, "-hdb", f"{directory}/a", "-hda", f"{directory}/b,c",
                               "-drive", f"if=ide,format=raw,file={directory}/d,cache=writethrough",
                               "-drive", f"file={directory}/e,media=cdrom",
                               "-qmp", f"unix:{path},server=on,wait=off"],
                              stderr=subprocess.DEVNULL) as process:
            try:
                client = Qmp(path)
                client.command("qmp_capabilities")
                blocks = {b["device"]: b for b in client.command("query-block")}
                names = {name: block["inserted"]["file"] for name, block in blocks.items()}
                assert names == {"ide1-hd0": f"{directory}/a", "ide0-hd0": f"{directory}/b,c",
                                 "ide2-hd0": f"{directory}/d", "ide3-cd0": f"{directory}/e"}, names
                paths = [blocks[f"ide{n}-hd0"]["qdev"] for n in range(3)]
                assert [client.command("qom-get", path=path, property="scsi-id")
                        for path in paths] == [0, 1, 2], paths
                assert [client.command("qom-get", path=path, property="write-cache")
                        for path in paths] == ["auto", "auto", "off"], paths
                assert {s["device"] for s in client.command("query-blockstats")} == set(names)
                client.command("quit")
                assert process.wait(30) == 0
            finally:
                process.kill()


def kvm_device():
    """KVM's device by a name, and by a descriptor that the caller opened."""
    given = ["-machine", "none", "-display", "none", "-qmp", "stdio", "-accel"]
    for name in ("/dev/null", "/dev/fdset/1"):
        status, _, err = vmm.run(["sh", "-c", 'exec "$@" 9<>/dev/null', "sh", VMM, *given,
                                  f"kvm,device={name}", "-add-fd", "fd=9,set=1"])
        assert status == 1 and f"-accel kvm,device={name}: KVM_GET_API_VERSION failed" in err, err
        assert f"{name} is not KVM's device" in err, err
    status, _, err = vmm.run([VMM, *given, "kvm,device=/dev/fdset/7"])
    assert status == 1 and "there is no file descriptor set /dev/fdset/7" in err, err
    status, _, err = vmm.run([VMM, *given, "kvm,device=/nowhere/kvm"])
    assert status == 1 and "/nowhere/kvm must be passed in" in err, err


def refused_by_monitor():
    """What a monitor's client is told says what to do, as on the command line."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "qmp")
        with subprocess.Popen([VMM, *QTEST, "-device", "pci-bridge,id=br,chassis_nr=1,addr=5",
                               "-qmp", f"unix:{path},server=on,wait=off"]) as process:
            try:
                client = Qmp(path)
                client.command("qmp_capabilities")
                for name, arguments, expected in (
                        ("device_add", {"driver": "pc-dimm", "memdev": "m"},
                         "'pc-dimm' is not a valid device model name\n"
                         "A TD's memory cannot be grown: give all of it with -m"),
                        ("device_add", {"driver": "nvdimm", "memdev": "m"}, "cannot be grown"),
                        ("device_add", {"driver": "vfio-pci", "host": "0000:01:00.0"},
                         "There is no device assignment"),
                        ("device_add", {"driver": "virtio-rng-pci", "bus": "br"},
                         "Bus 'br' does not support hotplugging\nMake a pcie-root-port"),
                        ("set-action", {"panic": "zz"}, "\nKnown: pause, shutdown")):
                    error = client.error(name, **arguments)
                    assert error[0] == "GenericError" and expected in error[1], error
                client.command("quit")
                assert process.wait(30) == 0
            finally:
                process.kill()


def locked_memory():
    """All memory locked: what swtdx reserves for TDs is not made because of it. Without the right
    to do so, that is said."""
    done = subprocess.run([*vmm.tdx_host(), VMM, *TD, "-bios", vmm.OVMF, "-nodefaults",
                           "-nographic", "-S", "-overcommit", "mem-lock=on",
                           "-qmp", "stdio"],
                          input=b'{"execute": "qmp_capabilities"} {"execute": "quit"}', timeout=60,
                          capture_output=True, check=False)
    assert done.returncode == 0 or b"Raise the limit on locked memory (ulimit -l)" in done.stderr, \
        done


def file_size_limit():
    """What may not grow is an error of the file, and does not end the program."""
    with tempfile.TemporaryDirectory() as directory:
        pidfile = os.path.join(directory, "pid")
        done = subprocess.run(["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", VMM, "-machine", "none",
                               "-display", "none", "-pidfile", pidfile],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=30,
                              check=False)
        assert done.returncode == 1, done
        assert b"cannot create PID file: Failed to write it: File too large" in done.stderr, done


def closed_standard_files():
    """No file of the program's own gets the number of a standard one that its caller had closed."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "qmp")
        with subprocess.Popen(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", VMM, "-machine", "none",
                               "-display", "none",
                               "-qmp", f"unix:{path},server=on,wait=off"]) as process:
            try:
                qmp = Qmp(path)
                files = [os.readlink(f"/proc/{process.pid}/fd/{n}") for n in range(3)]
                assert files == ["/dev/null"] * 3, files
                qmp.command("qmp_capabilities")
                qmp.command("quit")
                assert process.wait(30) == 0
            finally:
                process.kill()


def bad_firmware(content, expected):
    def check():
        with tempfile.NamedTemporaryFile(suffix=".fd") as f:
            f.write(content)
            f.flush()
            for name in ("qemu-system-x86_64", "qemu-tdx-plan"):
                host = vmm.tdx_host() if name != "qemu-tdx-plan" else []
                status, _, err = vmm.run(host + [vmm.program(name), *TD, "-bios", f.name])
                assert status == 1, f"{name}: exit status {status}, {err!r}"
                assert expected in err, f"{name}: {expected!r} is not in {err!r}"
    return check


# Whole command lines as scripts and programs write them: {dir} has image.raw, image.iso and no
# other file. Each runs as it stands, and says what is in the second column, or nothing.
BARE = "-accel kvm -nographic -nodefaults"
GUESSED = "Image format was not specified for"
WHOLE = [
    ("-accel kvm -m 1G -smp 4 -name td,process=td,debug-threads=on -cpu host "
     "-object {{\"qom-type\":\"tdx-guest\",\"id\":\"tdx\"}} -object "
     "memory-backend-ram,id=mem0,size=1G "
     "-machine q35,kernel_irqchip=split,confidential-guest-support=tdx,memory-backend=mem0 "
     "-nographic -nodefaults -vga none "
     "-device virtio-net-pci,netdev=nic0 -netdev user,id=nic0 -drive "
     "file={dir}/image.raw,if=none,id=virtio-disk0 "
     "-device virtio-blk-pci,drive=virtio-disk0 -pidfile {dir}/pid -serial stdio", GUESSED),
    ("-accel kvm -object {{'qom-type':'tdx-guest','id':'tdx'}} -machine "
     "q35,confidential-guest-support=tdx -no-user-config -nodefaults "
     "-nographic -m 1G -smp 16,sockets=1 -drive file={dir}/image.iso,if=virtio,media=cdrom -drive "
     "file={dir}/image.raw,format=raw,if=virtio "
     "-monitor unix:{dir}/monitor,server,nowait", None),
    (BARE +
     " -m 1024 -device virtio-rng-pci -net nic,netdev=user.0,model=virtio -netdev user,id=user.0 "
     "-drive "
     "cache=writeback,file={dir}/image.raw,format=raw,id=drive1,if=none,index=1,werror=report "
     "-device virtio-blk-pci,bootindex=1,drive=drive1,serial=root", None),
    (BARE + " -net user,hostfwd=tcp::0-:22 -net nic,model=virtio,macaddr=52:54:00:12:34:57", None),
    ("-name sandbox,debug-threads=on -machine "
     "q35,accel=kvm,confidential-guest-support=tdx,kernel_irqchip=split -cpu host,pmu=off "
     "-m 1024M -device "
     "pci-bridge,bus=pcie.0,id=pci-bridge-0,chassis_nr=1,shpc=off,addr=2,io-reserve=4k,mem-reserve=1m,"
     "pref64-reserve=1m -device virtio-serial-pci,disable-modern=false,id=serial0 -device "
     "virtconsole,chardev=c0,id=console0 "
     "-chardev socket,id=c0,path={dir}/console,server=on,wait=off -device "
     "virtio-blk-pci,disable-modern=false,drive=i,"
     "config-wce=off,share-rw=on,serial=i -drive "
     "id=i,file={dir}/image.raw,aio=threads,format=raw,if=none,readonly=on "
     "-device virtio-scsi-pci,id=scsi0,disable-modern=false -object "
     "{{\"qom-type\":\"tdx-guest\",\"id\":\"tdx\"}} "
     "-object rng-random,id=rng0,filename=/dev/urandom -device virtio-rng-pci,rng=rng0 -global "
     "kvm-pit.lost_tick_policy=discard "
     "-rtc base=utc,driftfix=slew,clock=host -vga none -no-user-config -nodefaults -nographic "
     "--no-reboot "
     "-object memory-backend-ram,id=dimm1,size=1024M -numa node,memdev=dimm1 -smp "
     "1,cores=1,threads=1,sockets=1,maxcpus=1", None),
    (BARE +
     " -m 512 -machine nvdimm=off,hpet=off,vmport=off,usb=off -chardev "
     "file,id=c1,path={dir}/log,signal=off -device isa-serial,chardev=c1 "
     "-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off", None),
    (BARE + " -m 512 -global q35-pcihost.pci-hole64-size=0x8000000000",
     "the window is where the firmware puts devices"),
    (BARE + " -m 1G,slots=10,maxmem=8G -smp 1,cores=1,threads=1,sockets=16,maxcpus=16",
     "cannot be grown"),
    (BARE + " -m 1G -object memory-backend-memfd,id=mem,size=1G,share=on -numa node,memdev=mem -echr 1", None),
    (BARE + " -m 1G -smp 2 -numa node,nodeid=0,cpus=0-1,memdev=m -object memory-backend-ram,id=m,size=1G", None),
    (BARE + " -chardev stdio,id=mux,mux=on,signal=off -device virtio-serial,romfile= -device virtconsole,chardev=mux "
     "-serial chardev:mux -monitor chardev:mux -device virtio-net,netdev=n,romfile=,mq=on,vectors=4 -netdev user,id=n", None),
    (BARE + " -drive if=none,id=d,file={dir}/image.raw,format=raw,discard=on,cache.writeback=on,cache.direct=off,cache.no-flush=yes "
     "-device virtio-scsi,id=scsi -device scsi-hd,drive=d,bootindex=1 -boot menu=on,strict=on,reboot-timeout=1000,splash-time=5", None),
    (BARE + " -machine pc-q35-10.1 -smp 2,sockets=1,dies=1,clusters=1,cores=2,threads=1 -rtc base=localtime,clock=host", None),
    (BARE + " -machine pc-q35-11.0 -rtc base=2006-06-17T16:01:21 -d int,cpu_reset",
     "there is nothing that this would log"),
]

FIRMWARE = [
    ("empty", b"", "multiple of 64 KiB"),
    ("odd-size", b"\0" * 70000, "multiple of 64 KiB"),
    ("zeroes", b"\0" * 65536, "96b582de-1fb2-45f7-baea-a366c55a082d"),
    ("ones", b"\xff" * 131072, "96b582de-1fb2-45f7-baea-a366c55a082d"),
]


def label(arguments):
    return "_".join(arguments).replace("/", "|").replace("#", "") or "nothing"


if __name__ == "__main__":
    vmm.tap([("/command-line/bad/" + label(a), bad_for_both(a, e)) for a, e in BAD] +
            [("/command-line/bad-boot/" + label(a), bad_boot(a, e)) for a, e in BAD_BOOT] +
            [("/command-line/good/" + label(a), good(a, e)) for a, e in GOOD] +
            [(f"/command-line/whole/{i}", whole(t, e)) for i, (t, e) in enumerate(WHOLE)] +
            [("/command-line/large-files", large_files), ("/command-line/new-root", new_root),
             ("/command-line/ends-with-parent", ends_with_parent()),
             ("/command-line/ends-with-parent/other-user", ends_with_parent("user=nobody")),
             ("/command-line/locked-memory", locked_memory),
             ("/command-line/ide-disks", ide_disks), ("/command-line/kvm-device", kvm_device),
             ("/command-line/refused-by-monitor", refused_by_monitor),
             ("/command-line/file-size-limit", file_size_limit), ("/command-line/closed-standard-files", closed_standard_files)] +
            [("/command-line/firmware/" + n, bad_firmware(c, e)) for n, c, e in FIRMWARE])
