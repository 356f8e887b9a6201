//! A whole journal that comes in from a file, or goes out into one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use deadpool_postgres::{Client, Transaction};
use kraite_core::id::{AccountTag, Epoch};
use kraite_core::journal::JournalError;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_postgres::IsolationLevel;
use tokio_postgres::types::ToSql;

use super::PostgresJournal;
use super::append::{SNAPSHOT, THERE};
use super::hosts::{END_LAPSED, transact};
use super::read::{ACCOUNTS, NEWEST, PAGE};
use super::session::{Failure, Store, column, epoch_of, give_back, key, number, owner_of, seq_of, within};
use crate::codec::{self, READS};
use crate::moving::{Draft, Moved, Part, Row, Written};
use crate::restore::{damaged, is_filed_right};

const MAKE: &str =
    "INSERT INTO kraite.owners (account, epoch, last_seq) VALUES ($1, 0, 0) ON CONFLICT (account) DO NOTHING";
const HOLD: &str = "SELECT epoch, last_seq, host, kept FROM kraite.owners WHERE account = $1 FOR UPDATE";
const LIST: &str = "SELECT account, epoch, last_seq, host, moved_to, kept, archive FROM kraite.owners ORDER BY account";
const HOLD_ALL: &str = "
    SELECT account, epoch, last_seq, host, moved_to, kept, archive FROM kraite.owners ORDER BY account FOR UPDATE";
const ADD: &str = "
    INSERT INTO kraite.records (account, seq, epoch, body)
    SELECT $1, run.seq, run.epoch, run.body
    FROM unnest($2::bigint[], $3::bigint[], $4::bytea[]) AS run (seq, epoch, body)";
const OPEN: &str = "
    UPDATE kraite.owners SET epoch = GREATEST(epoch, $2), last_seq = $3, moved_to = NULL, reads = GREATEST(reads, $4)
    WHERE account = $1";
const CLOSE: &str = "UPDATE kraite.owners SET epoch = epoch + 1, moved_to = $1 WHERE account = ANY($2)";
const NEXT: &str = "SELECT seq, epoch, body FROM kraite.records WHERE account = $1 AND seq > $2 ORDER BY seq LIMIT $3";

/// How long a transaction waits without a word. The server ends one that is idle for longer than it allows.
const BEAT: Duration = Duration::from_secs(1);

/// The account that comes in.
struct Coming {
    account: AccountTag,
    owner: Epoch,
    /// What the database had of it, and from which record on it is still there.
    had: u64,
    kept: u64,
    last: u64,
}

/// An account that goes out.
struct Going {
    account: AccountTag,
    owner: Epoch,
    last: u64,
    host: Option<String>,
    moved_to: Option<String>,
    /// The first record that is here, and the file that those before it are in.
    kept: u64,
    archive: Option<String>,
}

fn refused(store: &Store, account: AccountTag, why: &str) -> Failure {
    JournalError::Unavailable(format!("{}, account {account}: {why}; nothing was copied", store.place)).into()
}

impl PostgresJournal {
    /// The accounts that were moved into a file, and into which: nobody works on them here.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unavailable`].
    pub async fn moved(&self) -> Result<Vec<(AccountTag, String)>, JournalError> {
        self.owned(|store| async move {
            transact(&store, async |moment| {
                let sql = "SELECT account, moved_to FROM kraite.owners WHERE moved_to IS NOT NULL ORDER BY account";
                let mut moved = Vec::new();
                for row in within(moment.query(sql, &[])).await? {
                    let account: i64 = column(&row, 0)?;
                    if let Some(account) = u32::try_from(account).ok().and_then(AccountTag::new) {
                        moved.push((account, column(&row, 1)?));
                    }
                }
                Ok(moved)
            })
            .await
        })
        .await
    }

    pub(crate) async fn take_in(
        &self,
        mut parts: mpsc::Receiver<Part>,
        ended: impl FnOnce() -> Result<(), JournalError> + Send + 'static,
    ) -> Result<Moved, JournalError> {
        self.owned(move |store| async move {
            transact(&store, async |moment| {
                let (mut moved, mut coming) = (Moved::default(), None::<Coming>);
                within(moment.execute(END_LAPSED, &[&i64::from(Epoch::MAX.get())])).await?;
                while let Some(part) = parts.recv().await {
                    match part {
                        Part::Account(account, owner) => {
                            finish(&store, moment, coming.take()).await?;
                            moved.accounts += 1;
                            coming = Some(begin(&store, moment, account, owner).await?);
                        }
                        Part::Rows(rows) => {
                            let Some(coming) = &mut coming else { continue };
                            moved.records += rows.len() as u64;
                            add(&store, moment, coming, rows).await?;
                        }
                        Part::Snapshot(seq, body) => {
                            let Some(Coming { account, .. }) = coming else { continue };
                            codec::decode_state(account, seq, &body)
                                .map_err(|error| damaged(&store.place, account, seq, error))?;
                            within(moment.execute(SNAPSHOT, &[&key(account), &number(seq), &body])).await?;
                        }
                    }
                }
                finish(&store, moment, coming.take()).await?;
                // Whether it was read to its end is known once it has ended.
                ended()?;
                Ok(moved)
            })
            .await
        })
        .await
    }

    pub(crate) async fn hand_out(&self, place: PathBuf, draft: Draft) -> Result<Moved, JournalError> {
        self.owned(move |store| async move { hand_out(&store, &place, draft).await }).await
    }

    pub(crate) async fn read_out(&self, draft: Draft, only: Option<AccountTag>) -> Result<Moved, JournalError> {
        self.owned(move |store| async move { read_out(&store, draft, only).await }).await
    }
}

async fn begin(store: &Store, moment: &Transaction<'_>, account: AccountTag, owner: Epoch) -> Result<Coming, Failure> {
    within(moment.execute(MAKE, &[&key(account)])).await?;
    let row = within(moment.query_opt(HOLD, &[&key(account)])).await?;
    let (_, had) = owner_of(store, account, row.as_ref())?;
    if let Some(row) = &row
        && let Some(host) = column::<Option<String>>(row, 2)?
    {
        return Err(refused(store, account, &format!("host {host} works on it")));
    }
    let kept = match &row {
        Some(row) => seq_of(store, account, column(row, 3)?)?,
        None => 1,
    };
    Ok(Coming { account, owner, had, kept, last: 0 })
}

/// Records that the database has already have to be the same ones.
async fn add(store: &Store, moment: &Transaction<'_>, coming: &mut Coming, rows: Vec<Row>) -> Result<(), Failure> {
    let account = coming.account;
    for row in &rows {
        codec::decode(account, row.seq, &row.body).map_err(|error| damaged(&store.place, account, row.seq, error))?;
    }
    coming.last = rows.last().map_or(coming.last, |row| row.seq);
    // Those that were archived were compared with a file before they went.
    let rows = rows.into_iter().filter(|row| row.seq >= coming.kept);
    let (there, new): (Vec<Row>, Vec<Row>) = rows.partition(|row| row.seq <= coming.had);
    if let (Some(first), Some(last)) = (there.first(), there.last()) {
        let numbers: [i64; 2] = [number(first.seq), number(last.seq)];
        let found = within(moment.query(THERE, &[&key(account), &numbers[0], &numbers[1]])).await?;
        if let Some(seq) = differs(&there, &found)? {
            return Err(refused(store, account, &format!("record {seq} is another one in the database")));
        }
    }
    if new.is_empty() {
        return Ok(());
    }
    let seqs: Vec<i64> = new.iter().map(|row| number(row.seq)).collect();
    let epochs: Vec<i64> = new.iter().map(|row| i64::from(row.epoch.get())).collect();
    let bodies: Vec<Vec<u8>> = new.into_iter().map(|row| row.body).collect();
    within(moment.execute(ADD, &[&key(account), &seqs, &epochs, &bodies])).await.map(drop)
}

/// The first of these records that is another one in the database, or is not there.
pub(super) fn differs(rows: &[Row], found: &[tokio_postgres::Row]) -> Result<Option<u64>, Failure> {
    let mut found = found.iter();
    for row in rows {
        let same = match found.next() {
            Some(found) => {
                let (seq, epoch, body): (i64, i64, &[u8]) = (column(found, 0)?, column(found, 1)?, column(found, 2)?);
                seq == number(row.seq) && epoch == i64::from(row.epoch.get()) && body == row.body.as_slice()
            }
            None => false,
        };
        if !same {
            return Ok(Some(row.seq));
        }
    }
    Ok(None)
}

async fn finish(store: &Store, moment: &Transaction<'_>, coming: Option<Coming>) -> Result<(), Failure> {
    let Some(Coming { account, owner, had, last, .. }) = coming else { return Ok(()) };
    if had > last {
        let why = format!("the database has records up to {had}, the file up to {last}");
        return Err(refused(store, account, &why));
    }
    let of: [&(dyn ToSql + Sync); 4] = [&key(account), &i64::from(owner.get()), &number(last), &READS];
    within(moment.execute(OPEN, &of)).await.map(drop)
}

async fn hand_out(store: &Store, place: &Path, draft: Draft) -> Result<Moved, JournalError> {
    let mut client = match store.connection().await {
        Ok(client) => client,
        Err(failure) => {
            draft.give_up();
            return Err(failure.of_reading(store));
        }
    };
    let result = hand_out_on(store, &mut client, place, draft).await;
    give_back(client, &result);
    match result {
        Ok(written) => written.place(),
        Err(Failure::Lost(why)) => Err(JournalError::Write(format!(
            "{}: {why}; it is not known whether the accounts are closed. If kraite status shows them as moved, the copy \
             beside {} is whole and only has to be renamed; otherwise remove it and move again",
            store.place,
            place.display()
        ))),
        Err(failure) => Err(failure.of_reading(store)),
    }
}

async fn hand_out_on(store: &Store, client: &mut Client, place: &Path, draft: Draft) -> Result<Written, Failure> {
    let start = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start();
    let moment = match within(start).await {
        Ok(moment) => moment,
        Err(failure) => {
            draft.give_up();
            return Err(failure);
        }
    };
    // Nothing is closed before the copy is whole, so a failure until then is one where nothing happened.
    let settled = |failure| match failure {
        Failure::Lost(why) => Failure::Refused(why),
        other => other,
    };
    let (written, gone) = copy_out(store, &moment, draft).await.map_err(settled)?;
    let warnings = store.warnings();
    let closed = async {
        within(moment.execute(CLOSE, &[&place.display().to_string(), &gone])).await?;
        within(moment.commit()).await
    }
    .await;
    match store.unwarned(warnings, closed) {
        Ok(()) => Ok(written),
        Err(failure) => {
            if !matches!(failure, Failure::Lost(_)) {
                written.give_up();
            }
            Err(failure)
        }
    }
}

/// Copies accounts that nobody works on, and says which they are.
async fn copy_out(store: &Store, moment: &Transaction<'_>, mut draft: Draft) -> Result<(Written, Vec<i64>), Failure> {
    let filled = async {
        within(moment.execute(END_LAPSED, &[&i64::from(Epoch::MAX.get())])).await?;
        let all = going(store, moment, HOLD_ALL).await?;
        for Going { account, host, moved_to, .. } in &all {
            if let Some(host) = host {
                return Err(refused(store, *account, &format!("host {host} works on it")));
            }
            if let Some(moved) = moved_to {
                return Err(refused(store, *account, &format!("it was moved to {moved}")));
            }
        }
        let mut gone = Vec::new();
        for going in all.iter().filter(|going| going.last > 0) {
            fill(store, moment, &mut draft, going).await?;
            gone.push(key(going.account));
        }
        Ok(gone)
    };
    match filled.await {
        Ok(gone) => Ok((finish_beside(moment, draft).await?, gone)),
        Err(failure) => {
            draft.give_up();
            Err(failure)
        }
    }
}

/// Finishes a draft beside a transaction that stays open, however long that takes.
async fn finish_beside(moment: &Transaction<'_>, draft: Draft) -> Result<Written, Failure> {
    let mut finishing = tokio::task::spawn_blocking(move || draft.finish());
    loop {
        match timeout(BEAT, &mut finishing).await {
            Ok(Ok(finished)) => return Ok(finished?),
            Ok(Err(_)) => return Err(Failure::Refused("the file's writer broke down".into())),
            Err(_) => {
                if let Err(failure) = within(moment.query_one("SELECT 1", &[])).await {
                    if let Ok(Ok(written)) = finishing.await {
                        written.give_up();
                    }
                    return Err(failure);
                }
            }
        }
    }
}

/// A draft with everything that the database has, as it is at one moment.
pub(super) async fn fill_all(store: &Store, draft: Draft) -> Result<Written, JournalError> {
    filled(store, draft, None).await
}

async fn read_out(store: &Store, draft: Draft, only: Option<AccountTag>) -> Result<Moved, JournalError> {
    filled(store, draft, only).await?.place()
}

async fn filled(store: &Store, mut draft: Draft, only: Option<AccountTag>) -> Result<Written, JournalError> {
    let filled = async {
        let mut client = store.connection().await?;
        let result = read_out_on(store, &mut client, &mut draft, only).await;
        give_back(client, &result);
        result
    };
    match filled.await {
        Ok(()) => draft.finish(),
        Err(failure) => {
            draft.give_up();
            Err(failure.of_reading(store))
        }
    }
}

async fn read_out_on(
    store: &Store,
    client: &mut Client,
    draft: &mut Draft,
    only: Option<AccountTag>,
) -> Result<(), Failure> {
    let start = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start();
    let moment = within(start).await?;
    for going in going(store, &moment, LIST).await? {
        if going.last > 0 && only.is_none_or(|only| only == going.account) {
            fill(store, &moment, draft, &going).await?;
        }
    }
    within(moment.rollback()).await
}

fn corrupt(store: &Store, account: i64, reason: impl Into<String>) -> Failure {
    let place = format!("{}, account {account}", store.place);
    JournalError::Corrupt { place, reason: reason.into() }.into()
}

/// Every account that was ever acquired. One that has records and no owner would be lost on the way.
async fn going(store: &Store, moment: &Transaction<'_>, owners: &str) -> Result<Vec<Going>, Failure> {
    // Whoever has records by now has its row by the next statement.
    let mut found = BTreeSet::new();
    for row in within(moment.query(ACCOUNTS, &[])).await? {
        found.insert(column::<i64>(&row, 0)?);
    }
    let mut all = Vec::new();
    for row in within(moment.query(owners, &[])).await? {
        let stored: i64 = column(&row, 0)?;
        let Some(account) = u32::try_from(stored).ok().and_then(AccountTag::new) else {
            return Err(corrupt(store, stored, "its tag is out of range"));
        };
        let (owner, last) = (epoch_of(store, account, column(&row, 1)?)?, seq_of(store, account, column(&row, 2)?)?);
        if last > 0 {
            found.remove(&stored);
        }
        all.push(Going {
            account,
            owner,
            last,
            host: column(&row, 3)?,
            moved_to: column(&row, 4)?,
            kept: seq_of(store, account, column(&row, 5)?)?,
            archive: column(&row, 6)?,
        });
    }
    match found.first() {
        Some(account) => Err(corrupt(store, *account, "it has records that no owner wrote")),
        None => Ok(all),
    }
}

/// Copies one account, page by page.
async fn fill(store: &Store, moment: &Transaction<'_>, draft: &mut Draft, going: &Going) -> Result<(), Failure> {
    let Going { account, owner, last, kept, ref archive, .. } = *going;
    draft.take(&Part::Account(account, owner))?;
    let statement = within(moment.prepare_cached(NEXT)).await?;
    let (mut after, mut epoch) = (0, Epoch::default());
    if kept > 1 {
        let Some(archive) = archive else {
            return Err(corrupt(store, key(account), format!("its records before {kept} are in no archive")));
        };
        after = kept - 1;
        epoch = draft.take_archived(Path::new(archive), account, after)?;
    }
    loop {
        let page = within(moment.query(&statement, &[&key(account), &number(after), &PAGE])).await?;
        if page.is_empty() {
            break;
        }
        let mut rows = Vec::with_capacity(page.len());
        for row in &page {
            let (seq, filed) = (seq_of(store, account, column(row, 0)?)?, epoch_of(store, account, column(row, 1)?)?);
            if seq != after + 1 {
                let place = format!("{}, account {account}, record {}", store.place, after + 1);
                return Err(JournalError::Corrupt { place, reason: format!("it is missing; {seq} comes next") }.into());
            }
            let body: Vec<u8> = column(row, 2)?;
            let record =
                codec::decode(account, seq, &body).map_err(|error| damaged(&store.place, account, seq, error))?;
            is_filed_right(&store.place, account, &record, filed, epoch)?;
            (after, epoch) = (seq, filed);
            rows.push(Row { seq, epoch, body });
        }
        draft.take(&Part::Rows(rows))?;
    }
    if after != last {
        let why = format!("its last record has to be {last}, the last one there is {after}");
        return Err(corrupt(store, key(account), why));
    }
    if owner < epoch {
        let why = format!("its owner has epoch {owner}, a record was written under {epoch}");
        return Err(corrupt(store, key(account), why));
    }
    let Some(row) = within(moment.query_opt(NEWEST, &[&key(account)])).await? else { return Ok(()) };
    let (seq, body): (_, Vec<u8>) = (seq_of(store, account, column(&row, 0)?)?, column(&row, 1)?);
    if seq > last {
        let why = format!("its snapshot includes record {seq}, the last one is {last}");
        return Err(corrupt(store, key(account), why));
    }
    codec::decode_state(account, seq, &body).map_err(|error| damaged(&store.place, account, seq, error))?;
    Ok(draft.take(&Part::Snapshot(seq, body))?)
}
