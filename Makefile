# SPDX-License-Identifier: GPL-2.0-or-later
# make td: build and start Linux as a TD.  make check: run the tests.  The scripts do the work, for
# machines without make.

BUILD ?= build

.PHONY: all td check check-all clean help

all:
	@BUILD='$(BUILD)' scripts/build

td:
	@BUILD='$(BUILD)' FIRMWARE='$(FIRMWARE)' KERNEL='$(KERNEL)' INITRD='$(INITRD)' APPEND='$(APPEND)' DISK='$(DISK)' \
	    MEMORY='$(MEMORY)' CPUS='$(CPUS)' scripts/run-td

check:
	@BUILD='$(BUILD)' scripts/run-tests $(if $(SANITIZERS),--sanitizers)

check-all:
	@BUILD='$(BUILD)' scripts/run-tests --all

clean:
	rm -rf '$(BUILD)' '$(BUILD)-asan' '$(BUILD)-clang' '$(BUILD)'*.log

help:
	@echo "make            install what is missing (apt) and build"
	@echo "make td         start a TD: on /dev/kvm where that is a TDX host, else under swtdx"
	@echo "                FIRMWARE=FILE KERNEL=FILE|none INITRD=FILE DISK=FILE|none MEMORY=SIZE CPUS=N take your own"
	@echo "make check      run the tests"
	@echo "make check-all  run everything, with sanitizers; ends with a table"
