"""OpenPGP: keys checked and opened, and files encrypted in place of clear ones.

In: key files and clear text.
Out: encrypted text with its size and checksum.

    key_files       reading key files
    pgp_keys        what the key in a file can be used for, and until when
    sealing         the keys of one destination at work: clear text in, encrypted file out
    pgp_process     a process of its own that encrypts large files
"""
