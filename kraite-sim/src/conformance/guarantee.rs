//! What a backend has to keep.

/// Something that the engine's proofs rest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guarantee {
    /// What is asked for arrives as it was asked for.
    AskedIsHeld,
    /// One outcome per order, in order.
    OneOutcomeEach,
    /// One call, one request.
    NeverSentAgain,
    /// What may have happened is unknown.
    UnknownIsTold,
    /// A refusal means that nothing happened.
    RefusedIsNothing,
    /// `not_after` is kept.
    NotAfter,
    /// A cancel ends what it names.
    CancelNames,
    /// A change keeps the order.
    AmendKeeps,
    /// The legs of a pair.
    PairLegs,
    /// Closing never opens.
    CloseCloses,
    /// Settings.
    Settings,
    /// Lookups find.
    LookupFinds,
    /// A miss is a miss for now.
    MissIsAMiss,
    /// A failed reading is an error.
    FailureIsTold,
    /// A reading tells what it is.
    ReadingJudges,
    /// Open orders are all of them.
    OpenOrders,
    /// A history is all of it.
    History,
    /// What was booked is all of it.
    Books,
    /// Positions as they are.
    Positions,
    /// Rules, marks, fees, balances.
    Account,
    /// The stream tells every fill.
    StreamTells,
    /// The stream says when it is up.
    StreamConnects,
    /// Whose order it is.
    WhoseOrder,
    /// The backend is what it declares.
    Declared,
    /// No secret is told.
    Secrets,
}

impl Guarantee {
    /// All of them, in the order of verdicts.
    pub const ALL: [Self; 25] = [
        Self::AskedIsHeld,
        Self::OneOutcomeEach,
        Self::NeverSentAgain,
        Self::UnknownIsTold,
        Self::RefusedIsNothing,
        Self::NotAfter,
        Self::CancelNames,
        Self::AmendKeeps,
        Self::PairLegs,
        Self::CloseCloses,
        Self::Settings,
        Self::LookupFinds,
        Self::MissIsAMiss,
        Self::FailureIsTold,
        Self::ReadingJudges,
        Self::OpenOrders,
        Self::History,
        Self::Books,
        Self::Positions,
        Self::Account,
        Self::StreamTells,
        Self::StreamConnects,
        Self::WhoseOrder,
        Self::Declared,
        Self::Secrets,
    ];

    /// A short name that stays.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AskedIsHeld => "asked_is_held",
            Self::OneOutcomeEach => "one_outcome_each",
            Self::NeverSentAgain => "never_sent_again",
            Self::UnknownIsTold => "unknown_is_told",
            Self::RefusedIsNothing => "refused_is_nothing",
            Self::NotAfter => "not_after",
            Self::CancelNames => "cancel_names",
            Self::AmendKeeps => "amend_keeps",
            Self::PairLegs => "pair_legs",
            Self::CloseCloses => "close_closes",
            Self::Settings => "settings",
            Self::LookupFinds => "lookup_finds",
            Self::MissIsAMiss => "miss_is_a_miss",
            Self::FailureIsTold => "failure_is_told",
            Self::ReadingJudges => "reading_judges",
            Self::OpenOrders => "open_orders",
            Self::History => "history",
            Self::Books => "books",
            Self::Positions => "positions",
            Self::Account => "account",
            Self::StreamTells => "stream_tells",
            Self::StreamConnects => "stream_connects",
            Self::WhoseOrder => "whose_order",
            Self::Declared => "declared",
            Self::Secrets => "secrets",
        }
    }

    /// What is guaranteed, in a sentence.
    #[must_use]
    pub const fn says(self) -> &'static str {
        match self {
            Self::AskedIsHeld => "what is asked for is what the venue holds, on the right side, to the last digit",
            Self::OneOutcomeEach => "there is one outcome for each order, in order",
            Self::NeverSentAgain => "a call is one request, which is never sent again",
            Self::UnknownIsTold => "what may have happened is told as unknown",
            Self::RefusedIsNothing => "a refusal is told only where nothing happened, and says what kind it is",
            Self::NotAfter => "nothing leaves that could be taken after `not_after`",
            Self::CancelNames => "a cancellation ends the order that it names and no other",
            Self::AmendKeeps => "a change states the new price and size and keeps the order's ids",
            Self::PairLegs => "stop and target of a pair keep their ids, prices and outcomes apart",
            Self::CloseCloses => "closing never opens and never turns a position around",
            Self::Settings => "leverage and margin mode are set as asked, and repeating changes nothing",
            Self::LookupFinds => "an order is found by its id in every state, with what it spawned",
            Self::MissIsAMiss => "what is not there is told as not found, for now",
            Self::FailureIsTold => "a reading that fails is an error and never an empty account",
            Self::ReadingJudges => "a reading says where and when it was asked, and whether it is whole",
            Self::OpenOrders => "the open orders are all of them, of every service, and no other",
            Self::History => "a history tells every order of its window as it ended",
            Self::Books => {
                "the books tell every trade of their window with its fee, and the funding of an ended position"
            }
            Self::Positions => "positions are told with side and size, to the last digit",
            Self::Account => "rules, marks, fees, balances and the mode are the venue's",
            Self::StreamTells => "the stream tells every order and fill, under its ids",
            Self::StreamConnects => "the stream says when it is up, and again after each break",
            Self::WhoseOrder => "a stranger's order is told as a stranger's, the venue's as the venue's",
            Self::Declared => "the backend is what it declares",
            Self::Secrets => "no secret is told",
        }
    }
}
