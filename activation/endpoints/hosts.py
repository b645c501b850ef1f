"""Which hosts are this machine: what goes there needs no TLS (V12)."""

from ipaddress import ip_address


def is_loopback(host: str | None) -> bool:
    """Whether a host is ``localhost``, in ``127.0.0.0/8``, or ``::1``."""
    if host is None:
        return False
    if host.lower() == "localhost":
        return True
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return False
    return address.is_loopback
