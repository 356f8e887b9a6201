//! Words of a venue. Lists grow without notice, so each has a place for what is not known yet, text kept.

/// True where both are spelled alike.
#[must_use]
pub fn exact(text: &str, word: &str) -> bool {
    text == word
}

/// True where both are the same word, in whatever case.
#[must_use]
pub fn any_case(text: &str, word: &str) -> bool {
    text.eq_ignore_ascii_case(word)
}

/// An enumeration of a venue's words, compared as the function before the semicolon says ([`exact`] or [`any_case`]),
/// with `Other` for one that is not known. A variant may have several spellings, of which the first is written.
///
/// ```
/// kraite_wire::words! {
///     any_case;
///     /// Where an order stands.
///     Status {
///         /// Open.
///         Live = "live",
///         /// Gone.
///         Cancelled = "canceled" | "cancelled",
///     }
/// }
/// assert_eq!(Status::of("CANCELLED"), Status::Cancelled);
/// assert_eq!(Status::of("Paused").as_str(), "Paused");
/// ```
#[macro_export]
macro_rules! words {
    ($same:ident; $(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident = $text:literal $(| $also:literal)*,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$of])* $variant,)*
            /// A word that this version does not know.
            Other($crate::CompactString),
        }

        impl $name {
            /// Every word that is known.
            pub const KNOWN: &'static [Self] = &[$(Self::$variant,)*];

            /// The venue's spelling; the first, where it has several.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(text) => text.as_str(),
                }
            }

            /// The word of that spelling.
            #[must_use]
            pub fn of(text: &str) -> Self {
                $(if $crate::$same(text, $text) $(|| $crate::$same(text, $also))* {
                    return Self::$variant;
                })*
                Self::Other($crate::CompactString::new(text))
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::scalar::FromWire for $name {
            fn from_wire(text: &str) -> ::std::result::Result<Self, $crate::CompactString> {
                ::std::result::Result::Ok(Self::of(text))
            }
        }

        impl<'de> $crate::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::serde::Deserializer<'de>>(from: D) -> ::std::result::Result<Self, D::Error> {
                struct Word;
                impl $crate::serde::de::Visitor<'_> for Word {
                    type Value = $name;
                    fn expecting(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                        f.write_str("a word")
                    }
                    fn visit_str<E: $crate::serde::de::Error>(self, text: &str) -> ::std::result::Result<$name, E> {
                        ::std::result::Result::Ok($name::of(text))
                    }
                }
                from.deserialize_str(Word)
            }
        }
    };
}
