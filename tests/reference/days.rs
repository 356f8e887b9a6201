//! Days that markets really had.
