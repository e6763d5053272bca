//! The macro behind the tables of named reasons: one row holds everything that is fixed about one of them.

/// Makes an enum from rows of `Name = "stored_word", "sentence" { field: value, … }`.
///
/// The enum gets `ALL`, `row()` (the fields as a value of the row type), `code()` (the stored word), `sentence()` and
/// `parse()`. A new row is all that a new variant needs: whatever is asked of it is read from there.
macro_rules! table {
    ($(#[$meta:meta])* $name:ident: $row:ident {
        $($variant:ident = $code:literal, $sentence:literal { $($fields:tt)* })+
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(#[doc = concat!("`", $code, "`: ", $sentence, ".")] $variant,)+
        }

        impl $name {
            /// Every one, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// What is fixed about it.
            #[must_use]
            pub const fn row(self) -> &'static $row {
                match self { $(Self::$variant => const { &$row { $($fields)* } },)+ }
            }

            /// The word that is stored, logged and printed: `snake_case`, and never renamed.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// What it means, as a sentence without its full stop.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)+ }
            }

            /// The one of this code, if there is one.
            #[must_use]
            pub fn parse(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|it| it.code() == code)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.code())
            }
        }
    };
}

pub(crate) use table;
