"""A Raspberry Pi's userland on this machine, under QEMU's emulation of single programs."""
