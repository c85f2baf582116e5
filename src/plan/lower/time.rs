//! The windows of SESSION.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{Expr, Window};

use super::leave_out::always;
use super::{Lowered, Lowering, bare, unsupported};
use crate::error::Result;
use crate::fold::{Flow, Session, SessionSpec};
use crate::func::cast;
use crate::func::session::Bound;

/// The calls of a window node, if all of them are bounds of sessions.
pub(super) fn session_calls(window: &Window) -> Option<Vec<(&WindowFunction, Bound)>> {
    let call = |expr| match bare(expr) {
        Expr::WindowFunction(function) => Bound::of(function.fun.name()).map(|bound| (function.as_ref(), bound)),
        _ => None,
    };
    window.window_expr.iter().map(call).collect()
}

impl Lowering<'_> {
    /// Both bounds of a session are planned over one window, of the same time and gap.
    pub(super) fn session(&mut self, window: &Window, calls: &[(&WindowFunction, Bound)]) -> Result<Lowered> {
        let refuse = || unsupported("session_start and session_end in this form", "Write SESSION(relation, column, gap) in FROM.");
        let first = &calls.first().ok_or_else(refuse)?.0.params;
        let [time, Expr::Literal(ScalarValue::Int64(Some(gap_us)), _)] = first.args.as_slice() else { return Err(refuse()) };
        let by_time = matches!(first.order_by.as_slice(), [sort] if sort.asc && (sort.expr == *time || is_cast_of(time, &sort.expr)));
        let alike = calls.iter().all(|(c, _)| c.params.args == first.args && c.params.partition_by == first.partition_by);
        if !by_time || !alike || *gap_us <= 0 {
            return Err(refuse());
        }
        let from = window.input.schema();
        let partition = first.partition_by.iter().map(|e| self.expr(e, from)).collect::<Result<Vec<_>>>()?;
        let time = self.expr(time, from)?;
        let lowered = self.node(&window.input)?;
        let lowered = self.guarded(lowered, vec![always(partition.iter().chain([&time]))])?;
        let spec = SessionSpec {
            input: lowered.flow.schema(),
            partition,
            time,
            gap_us: *gap_us,
            bounds: calls.iter().map(|(_, bound)| *bound).collect(),
            schema: window.schema.inner().clone(),
        };
        Ok(Lowered { flow: Flow::node(Box::new(Session::new(spec)?), vec![lowered.flow]), append_only: false, key: lowered.key })
    }
}

/// A date is ordered by itself and counted as a timestamp.
fn is_cast_of(outer: &Expr, inner: &Expr) -> bool {
    match outer {
        Expr::Cast(outer) => *outer.expr == *inner,
        Expr::ScalarFunction(call) => call.name() == cast::NAME && call.args.first() == Some(inner),
        _ => false,
    }
}
