//! How the command ends: one number for scripts, one sentence for people.

use std::fmt;
use std::process::ExitCode;

/// The exit codes of the `kraite` command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Ok = 0,
    /// Something failed that none of the others names.
    Failure = 1,
    /// A flag is unknown, missing, or has a value that it cannot have.
    Usage = 2,
    /// A configuration is wrong: a file, an address, a secret.
    Configuration = 3,
    /// The exchange refused or cannot be reached.
    Exchange = 4,
    /// An order's outcome is still unknown.
    Unknown = 5,
    /// An invariant is broken.
    Invariant = 6,
    /// Somebody else owns the account.
    NotOwner = 7,
    /// The plan breaks a rule of the contract.
    PlanRefused = 8,
    /// A data file is wrong.
    BadData = 9,
    /// The journal cannot be used.
    Journal = 10,
}

impl Exit {
    /// Every code with what it means, for the help.
    pub(crate) const ALL: [(Self, &'static str); 11] = [
        (Self::Ok, "done"),
        (Self::Failure, "a failure that no other code names"),
        (Self::Usage, "usage: a flag is unknown, missing, or out of range"),
        (Self::Configuration, "a configuration is wrong: a file, an address, a secret"),
        (Self::Exchange, "the exchange refused or cannot be reached"),
        (Self::Unknown, "something is left unresolved: an order's outcome is unknown, a position did not come to rest"),
        (Self::Invariant, "an invariant is broken"),
        (Self::NotOwner, "another worker owns the account"),
        (Self::PlanRefused, "the plan breaks a rule of the contract"),
        (Self::BadData, "a data file is wrong"),
        (Self::Journal, "the journal cannot be used"),
    ];
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why the command could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed {
    /// The code it ends with.
    pub(crate) exit: Exit,
    /// One sentence: what, where, what to do.
    pub(crate) message: String,
}

impl Failed {
    pub(crate) fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self { exit, message: message.to_string() }
    }

    /// For `map_err`: a failure with this code whose sentence is the error.
    pub(crate) fn with<E: fmt::Display>(exit: Exit) -> impl FnOnce(E) -> Self {
        move |error| Self::new(exit, error)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<kraite_core::journal::JournalError> for Failed {
    fn from(error: kraite_core::journal::JournalError) -> Self {
        let exit = match error {
            kraite_core::journal::JournalError::NotOwner { .. } => Exit::NotOwner,
            _ => Exit::Journal,
        };
        Self::new(exit, error)
    }
}

impl From<kraite_sim::data::DataError> for Failed {
    fn from(error: kraite_sim::data::DataError) -> Self {
        Self::new(Exit::BadData, error)
    }
}

impl From<kraite_sim::data::FillError> for Failed {
    fn from(error: kraite_sim::data::FillError) -> Self {
        Self::new(Exit::BadData, error)
    }
}
