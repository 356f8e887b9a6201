//! The bug zoo: domain mistakes that live at the very places where they would be made, asleep until woken.
//!
//! It exists only in a build with `--cfg kraite_zoo`. One build holds every bug; which one is awake is chosen
//! at run time, so that one build serves all of them. It measures the checkers: each bug must be found by
//! something that looks at what the code does, not at how it does it. In any other build `zoo!` is `false`
//! and nothing of this file is compiled.

use core::sync::atomic::{AtomicU16, Ordering};

/// Declares the bugs: variant, id, the rule it breaks, and one sentence on what it does.
macro_rules! bugs {
    ($($variant:ident $id:literal $breaks:literal $what:literal)*) => {
        /// One mistake.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Bug {
            $(
                #[doc = $what]
                $variant,
            )*
        }

        impl Bug {
            /// Every bug, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name on the command line.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self {
                    $(Self::$variant => $id,)*
                }
            }

            /// The rules and invariants that it breaks, by number.
            #[must_use]
            pub const fn breaks(self) -> &'static str {
                match self {
                    $(Self::$variant => $breaks,)*
                }
            }

            /// What it does, in one sentence.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self {
                    $(Self::$variant => $what,)*
                }
            }
        }
    };
}

bugs! {
    // Doubt and proof.
    BlindResend "blind-resend" "R6 R8" "A placement without an answer is sent again under the next attempt."
    NotFoundOnce "not-found-once" "R9" "One miss, whenever it was asked, proves an order absent."
    AnswerTimeCounts "answer-time-counts" "R9" "A miss counts by when its answer arrived, not by when it was asked."
    OneEndpointSuffices "one-endpoint-suffices" "R9" "A miss on one endpoint makes a complete round."
    ProofWithoutClockError "proof-without-clock-error" "R9" "Our view of the venue's clock is taken as exact in a proof."
    ProofWithoutEngineBound "proof-without-engine-bound" "R9" "A request is dead at its deadline, without the time an accepted one needs to show."
    RetriesExhaustedIsAbsence "retries-exhausted-is-absence" "R9" "An order that two questions did not find is absent."
    OverdueIsAbsence "overdue-is-absence" "R6" "A placement whose outcome is overdue never happened."
    RetentionMissIsAbsence "retention-miss-is-absence" "R10" "An order that the venue cannot know any more never was, or ended."
    MarketProofWithoutPosition "market-proof-without-position" "R9" "A MARKET order is absent although the exposure is not explained without it."
    OutcomeOnWrongRow "outcome-on-wrong-row" "R1" "A late outcome is noted on the newest attempt instead of the one it is about."
    DuplicateIdIsRejection "duplicate-id-is-rejection" "R12" "A duplicate client id is taken for a refusal."
    ParseErrorIsRejection "parse-error-is-rejection" "R6" "An answer that cannot be read is taken for a refusal."
    GoneIsCancelled "gone-is-cancelled" "R13" "A cancel that finds nothing open means cancelled, without a look at the fills."
    MismatchMerged "mismatch-merged" "R12" "Whatever is found under our id is merged, on whichever side."
    // Identity.
    IdReused "id-reused" "R1" "A re-send after proven absence keeps its attempt number, and so its id."
    NumbersFromMemory "numbers-from-memory" "R2" "Revisions and attempts count from the rows of this run only."
    ResendKeepsDeadline "resend-keeps-deadline" "R9 R19" "A request that is sent again keeps the deadline of its first try."
    OtherAccountAdopted "other-account-adopted" "R99 I6" "An order of another account of the same login is taken for ours."
    UnknownOrderIgnored "unknown-order-ignored" "R104 I6" "An order of ours that the journal lost is not taken over."
    // Durability and restarts.
    EffectsBeforeDurable "effects-before-durable" "I13" "The shell releases a step's effects before its record is durable."
    AppendErrorIgnored "append-error-ignored" "I13" "A failed append is treated like one that worked."
    DeadlineUnrecorded "deadline-unrecorded" "I10 I13" "What a deadline decided is taken for ephemeral and not recorded."
    PairTargetUnsaved "pair-target-unsaved" "R41" "Only the stop of a pair is saved before the call."
    CancelUnsaved "cancel-unsaved" "R68" "A cancel leaves without its intent being saved."
    RestartResends "restart-resends" "R3 S4" "What was handed to the wire before a crash is sent again without a look-up."
    UnsettledCancelForgotten "unsettled-cancel-forgotten" "R13" "Nobody asks what became of a cancel without an answer."
    EpochNotRaised "epoch-not-raised" "I14" "A restored engine writes under the epoch of the run before."
    LastRecordSkipped "last-record-skipped" "I10" "The newest record is left out of a restore, as if it were torn."
    SnapshotWithoutTail "snapshot-without-tail" "I10" "A snapshot is taken for everything; the records after it are left out."
    RestartClosesUnlooked "restart-closes-unlooked" "R43" "A late restart closes a position without looking for its stop first."
    // The ledger of an order.
    StatusMovesBack "status-moves-back" "R51" "The status that came last wins over a higher one."
    AverageIsAnEdit "average-is-an-edit" "R56" "The average price of fills is taken for an edit of the stated price."
    FillCountedTwice "fill-counted-twice" "R52" "A trade that is told twice counts twice."
    CumulativePlusTrades "cumulative-plus-trades" "R52" "Trades are added to the cumulative fill that already holds them."
    CumulativeOverwritten "cumulative-overwritten" "R63 I7" "An older report lowers the cumulative fill."
    LastArrivalWins "last-arrival-wins" "R52" "The stated price that came last wins over a newer one."
    ZeroEchoErases "zero-echo-erases" "R58" "An echo of zero replaces the stated price."
    TriggeredIsFilled "triggered-is-filled" "R69" "A trigger order that fired counts as filled."
    AbsenceFromListIsCancelled "absence-from-list-is-cancelled" "R70" "An order that a list of open orders lacks has ended."
    // Opening.
    StaleMarkUsed "stale-mark-used" "R29" "A mark of any age sizes a position."
    SymbolBusyIgnored "symbol-busy-ignored" "R31" "A second position on the same contract is opened."
    ContractNotClear "contract-not-clear" "R30" "A position is opened although the venue shows one or an order on the contract."
    CommandRepeatedOpens "command-repeated-opens" "R17" "A repeated command opens again once its position has ended."
    InfeasibleRungOpens "infeasible-rung-opens" "R26" "A ladder with a rung below the minimum is opened."
    EntryBeforeLeverage "entry-before-leverage" "R35" "The entry does not wait for margin mode and leverage."
    LadderOnIntent "ladder-on-intent" "R27" "The ladder is sized on what the entry asked for, not on what it filled."
    NoBackoff "no-backoff" "I16" "What was refused is tried again at once, for as long as it takes."
    LimitsBypassed "limits-bypassed" "I16 R24" "No limit and no halt keeps new exposure from the wire."
    // Protection.
    TargetBeforeStop "target-before-stop" "R39 I3" "The target waits until the stop was sent, not until it was accepted."
    StopInDoubtCounts "stop-in-doubt-counts" "R39 I3" "A stop in doubt lets the target out."
    StopWaitsForRungs "stop-waits-for-rungs" "R39 I4" "The stop waits until every rung was accepted."
    StopOnFirstRung "stop-on-first-rung" "S8" "The stop is anchored on the nearest rung."
    StopKeepsQuantity "stop-keeps-quantity" "R62" "A stop that states a quantity keeps it when a rung fills."
    RefusedStopIgnored "refused-stop-ignored" "R43" "A stop that is refused again and again closes nothing."
    NakedBoundUnenforced "naked-bound-unenforced" "I4" "A position without a stop is reported and never closed."
    RungAgainUnread "rung-again-unread" "R30" "A rung that goes out again does not read first whether the position was stopped out."
    BreakBeforeMake "break-before-make" "R82" "The old target is cancelled before its successor is accepted."
    OldTargetLeft "old-target-left" "R16" "The old target stays when its successor is accepted."
    TargetKeepsQuantity "target-keeps-quantity" "R81" "A target that rests is left as it is when a rung fills."
    TargetFromEntryPrice "target-from-entry-price" "R74" "The target is priced from the entry instead of the average."
    PairStopKeepsId "pair-stop-keeps-id" "R42" "A restated pair names its unchanged stop by its old id."
    PollForgotten "poll-forgotten" "S10" "An active position is read only when the stream says something."
    // The wire and other hands.
    ExtraCopiesLeft "extra-copies-left" "I6" "A copy that the wire made of a resting order is left open."
    WireExcessKept "wire-excess-kept" "I2" "What the wire made an order fill beyond its size is kept."
    LiquidationIgnored "liquidation-ignored" "R73" "A fill of the venue's own is not applied."
    SymbolWideCancel "symbol-wide-cancel" "R90 R99" "A closing cancels every order on the contract, other people's too."
    // Closing.
    ProtectionBeforeExposure "protection-before-exposure" "R85" "A closing cancels stop and target first, then takes the exposure off."
    OneReadingIsFlat "one-reading-is-flat" "R87" "One reading that shows less than we filled is enough."
    FlatByFills "flat-by-fills" "R91" "A position that our fills say is flat is flat; nobody reads."
    CloseGivenUp "close-given-up" "R93" "After three refusals a close is not tried again."
    ReduceOnlyIsFlat "reduce-only-is-flat" "R86" "A close that is refused as not reducing proves that nothing is open."
    CloseSizedByReading "close-sized-by-reading" "R72 R76" "A close takes off what the venue shows instead of what we filled."
    FinishedWithStopOpen "finished-with-stop-open" "R91 I5" "The books close while stop and target may still act."
    WholeCloseBlind "whole-close-blind" "R76 R99" "What is left is taken off with everything that is open, whoever's it is."
    WholeCloseForgotten "whole-close-forgotten" "R85 R91" "A position ends while a close of the whole may still act."
    // Hands.
    AdjustedTwice "adjusted-twice" "R17" "A change by hand that is delivered twice is made twice."
    StopStaysPut "stop-stays-put" "S12" "A stop that a user moves rests where it did."
    PartForgotten "part-forgotten" "S12" "A part that a user asked to close stays open."
    AddedRungForgotten "added-rung-forgotten" "S12" "A rung that a user added is never placed."
    AdoptedUnread "adopted-unread" "S12 R30" "What a user says is open is taken over, whatever the venue shows."
    HandedBackEarly "handed-back-early" "S12 I5" "What is open is handed back while a rung of ours may still fill."
    HandedBackClosed "handed-back-closed" "S12" "What a user wants handed back is closed at the market."
    DroppedRungRests "dropped-rung-rests" "S12" "A rung that a user dropped goes on resting."
    FundingForgotten "funding-forgotten" "I8" "The books of an ended position are read for their fees only."
    ChargedTwice "charged-twice" "I8" "What was charged for want of a fee stays charged when the fee is known."
    LateFillIgnored "late-fill-ignored" "R73" "A fill that is told after the end is booked and nothing is done."
}

impl Bug {
    /// The bug of that name.
    #[must_use]
    pub fn by_id(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|bug| bug.id() == id)
    }
}

/// One more than the number of the bug that is awake; 0 while all sleep. One for the whole process: whoever
/// wakes bugs runs one at a time.
static AWAKE: AtomicU16 = AtomicU16::new(0);

/// Wakes one bug and puts every other to sleep; `None` puts all to sleep.
pub fn wake(bug: Option<Bug>) {
    AWAKE.store(bug.map_or(0, number), Ordering::SeqCst);
}

/// True while this bug is awake.
#[must_use]
pub fn awake(bug: Bug) -> bool {
    AWAKE.load(Ordering::Relaxed) == number(bug)
}

/// Wakes the bug of that name; says whether there is one. The core reads no environment: a test harness that
/// lets the caller choose hands the choice over here.
#[must_use]
pub fn wake_by_id(id: &str) -> bool {
    let bug = Bug::by_id(id);
    if bug.is_some() {
        wake(bug);
    }
    bug.is_some()
}

const fn number(bug: Bug) -> u16 {
    (bug as u16).saturating_add(1)
}
