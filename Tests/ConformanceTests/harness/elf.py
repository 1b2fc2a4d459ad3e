"""Small ELF files, whole and broken, made by hand."""

import struct

X86_64, IA_64 = 62, 50

#: mov $231, %eax; mov $7, %edi; syscall: exit_group(7)
CODE = bytes.fromhex("b8e7000000bf070000000f05")


def load(address=0x400000, offset=0, size=0x1000, memory=None):
    """A PT_LOAD header."""
    return struct.pack("<IIQQQQQQ", 1, 5, offset, address, address, size, size if memory is None else memory, 0x1000)


def program(machine=X86_64, kind=2, elf_class=2, encoding=1, segments=None, interpreter=None):
    """A program that exits with status 7, in one page at 0x400000."""
    headers = [load()] if segments is None else list(segments)
    text_offset = 0x800
    body = b""
    if interpreter:
        body = interpreter + b"\0"
        place = 0x700
        headers.insert(0, struct.pack("<IIQQQQQQ", 3, 4, place, 0x400000 + place, 0x400000 + place, len(body),
                                      len(body), 1))
    identification = b"\x7fELF" + bytes([elf_class, encoding, 1, 0]) + bytes(8)
    header = identification + struct.pack("<HHIQQQIHHHHHH", kind, machine, 1, 0x400000 + text_offset, 64, 0, 0, 64,
                                          56, len(headers), 0, 0, 0)
    image = bytearray(0x1000)
    image[0:64] = header
    image[64:64 + 56 * len(headers)] = b"".join(headers)
    image[0x700:0x700 + len(body)] = body
    image[text_offset:text_offset + len(CODE)] = CODE
    return bytes(image)
