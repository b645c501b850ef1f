"""Unified ID 2.0 (The Trade Desk and others): hashes of which a UID2 operator makes identifiers."""

from datetime import date

from muster.activation.presets.shape import Hash, Header, Others, Page, Preset

_LOOKED_AT = date(2026, 11, 28)
_HASH: Hash = "sha256_base64"

PRESET = Preset(
    receiver="Unified ID 2.0 (UID2), hashes to be mapped",
    about="E-mail addresses and phone numbers as UID2 hashes them: Base64 of the bytes of SHA-256.",
    headers=(
        Header(
            "email_hash",
            "an e-mail address, hashed",
            ("email", "email_address", "e_mail", "mail"),
            ("trim", "lower", "gmail(gmail.com)", f"hash_unless_hashed({_HASH})"),
            "always",
            _HASH,
        ),
        Header(
            "phone_hash",
            "a phone number with its country code, hashed",
            ("phone", "phone_number", "mobile"),
            ("e164", f"hash_unless_hashed({_HASH})"),
            "always",
            _HASH,
        ),
        Header("email", "an e-mail address, in plain", (), ("trim", "lower", "gmail(gmail.com)")),
        Header("phone", "a phone number in E.164, in plain", (), ("e164",)),
    ),
    others=Others(r"[A-Za-z_][A-Za-z0-9_]*", "letters, digits and underscores", "your own, such as the id of a row"),
    needs=(("email_hash",), ("phone_hash",), ("email",), ("phone",)),
    takes={"csv.encoding": ("utf-8",)},
    notes=(
        "Dots and what follows a `+` are taken out of gmail.com addresses alone, not of googlemail.com.",
        "A phone number without a country code has no hash; UID2 cannot add one either.",
    ),
    uncertain=(
        (
            "UID2 documents values, and requests and tables that hold them, but no file: the headers are the names "
            "of the request's fields, and whoever reads the file may want others."
        ),
    ),
    pages=(
        Page("https://unifiedid.com/docs/getting-started/gs-normalization-encoding", _LOOKED_AT, "2026-07-07"),
        Page("https://unifiedid.com/docs/endpoints/post-identity-map", _LOOKED_AT, "2026-08-06"),
    ),
    example="""\
  - {source: profile_id, target: customer_id}
  - email
  - phone
""",
)
