//! SET, RESET, SHOW, DISCARD, LISTEN: statements about the session itself.

use std::sync::Arc;

use arrow::array::{RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;

use super::acts::AskedRole;
use super::execute::listing;
use super::lookup::Lookup;
use super::session::{Column, Response, Session};
use super::settings::display_name;
use super::transaction::OldSetting;
use crate::data::PgType;
use crate::data::datetime::{DateStyle, IntervalStyle};
use crate::data::encode::Style;
use crate::error::{Error, Result, code};
use crate::func::styled;
use crate::func::zone::InZone;
use crate::serve::system::functions::SessionActs;
use crate::serve::system::setting;
use crate::sql::{Discard, Statement, parse};

/// DataFusion in the time zone of a session, and for how that shows values.
pub(super) struct Zoned {
    /// What was set.
    pub name: String,
    /// What plans statements.
    pub planning: Arc<SessionState>,
    /// What runs plans.
    pub running: SessionState,
}

impl Session {
    /// SET. In a transaction the old value is kept: ROLLBACK brings it back, and COMMIT too if it was SET LOCAL.
    pub(super) fn set(&mut self, name: &str, value: Option<&str>, local: bool) -> Result<Response> {
        let before = self.before(name, local);
        if local && self.transaction.is_none() {
            let text = "SET LOCAL can only be used in transaction blocks";
            self.notice("WARNING", Error::new(code::NO_ACTIVE_SQL_TRANSACTION, text));
            return Ok(Response::Done("SET".into()));
        }
        self.apply_setting(name, value)?;
        if let Some(transaction) = &mut self.transaction {
            transaction.settings.extend(before);
        }
        Ok(Response::Done("SET".into()))
    }

    /// What a setting is, to be brought back. With who the session is its role changes, too, and comes back behind it.
    fn before(&self, name: &str, local: bool) -> Vec<OldSetting> {
        let with_role = (name == "session_authorization").then_some("role");
        let old = |name: &str| OldSetting { name: name.to_string(), value: self.settings.get(name).ok(), local };
        with_role.into_iter().chain([name]).map(old).collect()
    }

    pub(super) fn reset(&mut self, name: &str) -> Result<Response> {
        self.set(name, None, false)?;
        Ok(Response::Done("RESET".into()))
    }

    pub(super) fn apply_setting(&mut self, name: &str, value: Option<&str>) -> Result<()> {
        if matches!(name, "role" | "session_authorization") {
            return self.become_role(name, value);
        }
        self.settings.set(name, value)?;
        self.settle_zone();
        self.show_application();
        // What runs after it in a body sees it.
        self.context.forget();
        Ok(())
    }

    /// Queries are planned in the session's time zone, and for how it shows values; see [`InZone`].
    pub(super) fn settle_zone(&mut self) {
        let (style, name) = (self.settings.style(), self.settings.get("timezone").unwrap_or_default());
        let rule = InZone { zone: style.timezone, name: style.timezone.spelled(&name), style };
        if style.is_usual() {
            if self.zoned.take().is_some() {
                self.plans = Default::default();
            }
            return;
        }
        let known = styled::spelled(&style, &name);
        if self.zoned.as_ref().is_none_or(|zoned| zoned.name != known) {
            let rule = Arc::new(rule);
            let (mut planning, mut running) = (self.state().as_ref().clone(), self.engine.bare.clone());
            planning.add_analyzer_rule(rule.clone());
            running.add_analyzer_rule(rule);
            self.zoned = Some(Zoned { name: known, planning: Arc::new(planning), running });
            // What was planned under other settings may have read its literals.
            self.plans = Default::default();
        }
    }

    /// True if a look-up by key means the same under the session's settings, and to whoever asks.
    pub(super) fn may_use(&self, lookup: &Lookup) -> bool {
        (!lookup.reads_time() || self.zoned.is_none()) && !self.catalog().is_guarded(lookup.relation())
    }

    /// Errors: 0A000 for a view some text in which is another date or interval to this session than to the view, which reads text as a
    /// session does that has set nothing.
    pub(super) fn refuse_other_reading(&self, plan: &LogicalPlan) -> Result<()> {
        let set = self.settings.style();
        let dates = DateStyle { order: set.dates.order, ..DateStyle::default() };
        let interval = if set.interval == IntervalStyle::SqlStandard { set.interval } else { IntervalStyle::default() };
        let style = Style { dates, interval, ..Style::default() };
        if style.is_usual() {
            return Ok(());
        }
        let state = self.knowing(&self.engine.bare);
        let analyzed = state.analyzer().execute_and_check(plan.clone(), state.config_options(), |_, _| {})?;
        if !(InZone { zone: style.timezone, name: "UTC".into(), style }).changes(&analyzed) {
            return Ok(());
        }
        Err(Error::unsupported("a materialized view that reads or shows dates or intervals by the session's settings is not supported")
            .hint("Write dates as '2024-02-01', or create it after SET DateStyle = 'ISO, MDY' and SET IntervalStyle = 'postgres'."))
    }

    /// What pg_stat_activity says.
    fn show_application(&self) {
        if let (Ok(application), Some(status)) = (self.settings.get("application_name"), self.engine.sessions.lock().get_mut(&self.process))
        {
            status.application = application;
        }
    }

    /// Takes over what set_config() has set: its undoing belongs to the transaction. Outside of one, what was set locally ends here, and
    /// after a failure all of it.
    pub(super) fn adopt_settings(&mut self, succeeded: bool) {
        let mut undo = self.settings.take_undo();
        for AskedRole { setting, role, local } in self.acts.take_roles() {
            let before = self.before(setting, local);
            // It was permitted when it was asked for.
            if self.become_role(setting, role.as_deref()).is_ok() {
                undo.extend(before);
            }
        }
        if undo.is_empty() {
            return;
        }
        match &mut self.transaction {
            Some(transaction) => transaction.settings.extend(undo),
            // What could be set before can be set again.
            None => drop(self.restore_settings(undo, succeeded)),
        }
        self.settle_zone();
        self.show_application();
        self.context.forget();
    }

    /// Brings back what a transaction that has ended had set, the newest first.
    pub(super) fn restore_settings(&mut self, settings: Vec<OldSetting>, committed: bool) -> Result<()> {
        for old in settings.into_iter().rev().filter(|old| old.local || !committed) {
            self.apply_setting(&old.name, old.value.as_deref())?;
        }
        Ok(())
    }

    pub(super) fn reset_all(&mut self) -> Result<Response> {
        self.settings.reset_all();
        self.ksql = Default::default();
        self.settle_zone();
        self.show_application();
        Ok(Response::Done("RESET".into()))
    }

    pub(super) fn discard(&mut self, what: Discard) -> Result<Response> {
        let tag = match what {
            Discard::All => {
                if self.transaction.as_ref().is_some_and(|t| t.explicit) {
                    return Err(Error::new(code::ACTIVE_SQL_TRANSACTION, "DISCARD ALL cannot run inside a transaction block"));
                }
                self.close(None);
                self.become_role("session_authorization", None)?;
                self.reset_all()?;
                self.discard_temporary()?;
                self.acts.forget_statements();
                self.acts.listen(false, None)?;
                self.acts.unlock_all();
                self.plans = Default::default();
                self.context.forget_drawn();
                "DISCARD ALL"
            }
            Discard::Plans => {
                self.plans = Default::default();
                "DISCARD PLANS"
            }
            Discard::Sequences => {
                self.context.forget_drawn();
                "DISCARD SEQUENCES"
            }
            Discard::Temp => {
                self.discard_temporary()?;
                "DISCARD TEMP"
            }
        };
        Ok(Response::Done(tag.into()))
    }

    /// LISTEN. Errors: 0A000 for a view that is not materialized, whose changes nobody follows.
    pub(super) fn listen(&mut self, channel: &str) -> Result<Response> {
        let catalog = self.engine.catalog();
        if catalog.relations().any(|r| r.is_expanded() && catalog.channel_of(r) == channel) {
            return Err(Error::unsupported(format!("cannot listen to \"{channel}\": changes of a plain view are not followed"))
                .hint("Create it as a materialized view, listen to what it reads, or choose another name for the channel."));
        }
        if let Some(relation) = catalog.relations().find(|r| catalog.channel_of(r) == channel) {
            self.may_listen(relation)?;
        }
        self.acts.listen(true, Some(channel))?;
        Ok(Response::Done("LISTEN".into()))
    }

    pub(super) async fn show(&mut self, name: &str) -> Result<Response> {
        if let Some(sql) = listing(name) {
            let Statement::Query(query) = parse(sql)? else { return Err(Error::internal("a listing is a query")) };
            let planned = self.plan_query(&query, &[]).await?;
            let stream = self.run_query(&planned, vec![]).await?;
            return Ok(Response::Rows { word: "SHOW".into(), columns: planned.columns, stream });
        }
        let value = self.settings.get(name).or_else(|e| setting(&self.context.get(), name).map(String::from).ok_or(e))?;
        let shown = display_name(name);
        let schema = Arc::new(Schema::new(vec![Field::new(&shown, DataType::Utf8View, false)]));
        let batch = RecordBatch::try_new(schema, vec![Arc::new(StringViewArray::from(vec![value]))])?;
        Ok(Response::Batch { word: "SHOW".into(), columns: vec![Column::new(&shown, PgType::Text)].into(), batch })
    }
}
