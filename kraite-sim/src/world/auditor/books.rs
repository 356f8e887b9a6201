//! The auditor's own books, kept from the venue's trades: who traded what, and whether it adds up.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash as _, Hasher};

use kraite_core::exchange::{Direction, PositionMode, Side};
use kraite_core::id::{AccountTag, ClientOrderId, LogicalOrder, PositionNo, Revision, Role, Symbol};
use kraite_core::number::{Notional, Qty};
use kraite_core::time::VenueMillis;

use super::Finding;
use crate::venue::{Account, Owner, TradeRecord, Venue};
use crate::world::journal::ModelJournal;

/// How much of one logical order was planned and filled.
#[derive(Debug, Clone, Copy, Default, Hash)]
struct Filled {
    planned: Qty,
    total: Qty,
    /// More than planned, and told.
    over: bool,
}

/// One account's sums over all of its trades.
#[derive(Debug, Clone, Copy, Default, Hash)]
struct Money {
    realized: Notional,
    fees: Notional,
}

/// What the trades since the last look came to.
#[derive(Debug, Default)]
pub(super) struct Closed {
    pub(super) findings: Vec<Finding>,
    /// Orders that filled above plan because the wire doubled their request.
    pub(super) doubled: Vec<ClientOrderId>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Books {
    trades: u64,
    filled: BTreeMap<(AccountTag, PositionNo, LogicalOrder), Filled>,
    /// Long less short by contract; by side too where both sides may be open together.
    open: BTreeMap<(AccountTag, Symbol, Option<Direction>), Qty>,
    money: BTreeMap<AccountTag, Money>,
    /// What other hands took off each side of a contract: the user, a liquidation.
    taken: BTreeMap<(AccountTag, Symbol, Direction), Qty>,
    /// What closes of a position took off.
    closed: BTreeMap<(AccountTag, PositionNo), Qty>,
    /// Contracts on which the user traded or was given what was open.
    hands: BTreeSet<(AccountTag, Symbol)>,
    /// What the user opened by hand less what they closed, and when they last traded.
    users: BTreeMap<(AccountTag, Symbol, Direction), (Qty, VenueMillis)>,
    unexplained: BTreeSet<ClientOrderId>,
}

fn plus(sum: &mut Qty, qty: Qty, side: Side) {
    let change = if side == Side::Buy { qty } else { qty.negated() };
    *sum = sum.checked_add(change).unwrap_or(*sum);
}

impl Books {
    /// What is open on the contract is the user's from now on.
    pub(super) fn handed_over(&mut self, account: AccountTag, symbol: &Symbol) {
        self.hands.insert((account, symbol.clone()));
    }

    /// What the user had opened on the contract is the position's from now on, as if it were its entry.
    pub(super) fn taken_over(&mut self, account: AccountTag, symbol: &Symbol, position: PositionNo, qty: Qty) {
        self.hands.remove(&(account, symbol.clone()));
        self.users.retain(|(tag, on, _), _| (*tag, on) != (account, symbol));
        let logical = LogicalOrder { role: Role::Entry, revision: Revision::default() };
        self.filled.insert((account, position, logical), Filled { planned: qty, total: qty, over: false });
    }

    /// The user traded on the contract, or was given what was open.
    pub(super) fn other_hands(&self, account: AccountTag, symbol: &Symbol) -> bool {
        self.hands.contains(&(account, symbol.clone()))
    }

    /// The user has had more of a side since then than they took off it.
    pub(super) fn user_opened(
        &self,
        account: AccountTag,
        symbol: &Symbol,
        direction: Direction,
        at: VenueMillis,
    ) -> bool {
        let user = self.users.get(&(account, symbol.clone(), direction));
        user.is_some_and(|(net, last)| net.is_positive() && *last <= at)
    }

    /// What other hands took off one side of a contract.
    pub(super) fn taken(&self, account: AccountTag, symbol: &Symbol, direction: Direction) -> Qty {
        self.taken.get(&(account, symbol.clone(), direction)).copied().unwrap_or(Qty::ZERO)
    }

    /// What closes of a position took off.
    pub(super) fn closed(&self, account: AccountTag, position: PositionNo) -> Qty {
        self.closed.get(&(account, position)).copied().unwrap_or(Qty::ZERO)
    }

    /// What the opening orders of a position that traded were planned to fill together, less than that where they
    /// filled less; `None` where nothing traded.
    pub(super) fn planned(&self, account: AccountTag, position: PositionNo) -> Option<Qty> {
        let of_position = self.filled.iter().filter(|((tag, no, _), _)| (*tag, *no) == (account, position));
        of_position.map(|(_, filled)| filled.total.min(filled.planned)).reduce(|a, b| a.checked_add(b).unwrap_or(a))
    }

    /// Enters the trades since the last look, and checks I2, I8 and I15 against them.
    pub(super) fn enter(&mut self, venue: &Venue, journal: &ModelJournal, doubled: &BTreeSet<ClientOrderId>) -> Closed {
        let mut closed = Closed::default();
        let fresh = usize::try_from(venue.trade_count().saturating_sub(self.trades)).unwrap_or(usize::MAX);
        if fresh == 0 {
            return closed;
        }
        self.trades = venue.trade_count();
        let mut accounts = BTreeSet::new();
        let trades: Vec<&TradeRecord> = venue.trades().rev().take(fresh).collect();
        for trade in trades.into_iter().rev() {
            accounts.insert(trade.account);
            self.trade(venue, trade, journal, doubled, &mut closed);
        }
        for account in accounts.into_iter().filter_map(|tag| venue.account(tag)) {
            self.conserve_quantity(account, &mut closed.findings);
            self.conserve_money(account, &mut closed.findings);
        }
        closed
    }

    fn trade(
        &mut self,
        venue: &Venue,
        trade: &TradeRecord,
        journal: &ModelJournal,
        doubled: &BTreeSet<ClientOrderId>,
        closed: &mut Closed,
    ) {
        let side_of = (venue.mode(trade.account) == PositionMode::Hedge).then_some(trade.direction);
        let open = self.open.entry((trade.account, trade.symbol.clone(), side_of)).or_default();
        plus(open, trade.qty, trade.side);
        let money = self.money.entry(trade.account).or_default();
        money.realized = money.realized.checked_add(trade.realized).unwrap_or(money.realized);
        money.fees = money.fees.checked_add(trade.fee).unwrap_or(money.fees);
        let Some(object) = venue.object(trade.object) else { return };
        let Some(id) = object.client_id() else {
            if matches!(object.owner, Owner::User(_)) {
                self.hands.insert((trade.account, trade.symbol.clone()));
                let key = (trade.account, trade.symbol.clone(), trade.direction);
                let (net, last) = self.users.entry(key).or_insert((Qty::ZERO, trade.at));
                let opens = trade.side == trade.direction.opening_side();
                plus(net, trade.qty, if opens { Side::Buy } else { Side::Sell });
                *last = trade.at;
            }
            if trade.side == trade.direction.closing_side() {
                let taken = self.taken.entry((trade.account, trade.symbol.clone(), trade.direction)).or_default();
                *taken = taken.checked_add(trade.qty).unwrap_or(*taken);
            }
            return;
        };
        if journal.shape(id).is_none() && self.unexplained.insert(id) {
            closed.findings.push(Finding::UnexplainedTrade { id });
        }
        let key = id.key();
        if key.logical.role == Role::Close {
            let closed = self.closed.entry((trade.account, key.position)).or_default();
            *closed = closed.checked_add(trade.qty).unwrap_or(*closed);
        }
        if key.logical.role.is_exit() {
            return;
        }
        let filled = self.filled.entry((trade.account, key.position, key.logical)).or_default();
        filled.planned = filled.planned.max(object.placed_qty.unwrap_or(Qty::ZERO));
        filled.total = filled.total.checked_add(trade.qty).unwrap_or(filled.total);
        if filled.total > filled.planned && !std::mem::replace(&mut filled.over, true) {
            if doubled.contains(&id) {
                closed.doubled.push(id);
            } else {
                closed.findings.push(Finding::Overfilled {
                    account: trade.account,
                    position: key.position,
                    logical: key.logical,
                    planned: filled.planned,
                    filled: filled.total,
                });
            }
        }
    }

    fn conserve_quantity(&self, account: &Account, findings: &mut Vec<Finding>) {
        for ((_, symbol, side), traded) in self.open.iter().filter(|((tag, ..), _)| *tag == account.tag) {
            let signed = |direction| {
                let qty = account.qty(symbol, direction);
                if direction == Direction::Long { qty } else { qty.negated() }
            };
            let open = match side {
                Some(direction) => signed(*direction),
                None => signed(Direction::Long).checked_add(signed(Direction::Short)).unwrap_or_default(),
            };
            if open != *traded {
                findings.push(Finding::QuantityNotConserved { symbol: symbol.clone(), traded: *traded, open });
            }
        }
    }

    fn conserve_money(&self, account: &Account, findings: &mut Vec<Finding>) {
        let money = self.money.get(&account.tag).copied().unwrap_or_default();
        let sum = || {
            account
                .deposit
                .checked_add(money.realized)?
                .checked_sub(money.fees)?
                .checked_add(account.funding)?
                .checked_add(account.insurance)
        };
        let (Ok(expected), Ok(wallet)) = (sum(), account.wallet()) else { return };
        if expected != wallet {
            findings.push(Finding::MoneyNotConserved { account: account.tag, expected, wallet });
        }
    }

    pub(super) fn fingerprint(&self, hasher: &mut impl Hasher) {
        let Self { trades: _, filled, open, money, taken, closed, hands, users, unexplained } = self;
        (filled, open, money, taken, closed, hands, users, unexplained).hash(hasher);
    }
}
