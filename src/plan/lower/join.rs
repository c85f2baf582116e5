//! Joins of all kinds.

use datafusion::common::{JoinType, NullEquality};
use datafusion::logical_expr::{Expr, Join};

use super::leave_out::{always, may_err, refused};
use super::{Lowered, Lowering};
use crate::error::{Error, Result};
use crate::fold::{self, Flow, JoinSpec};
use crate::func::subquery::UNNESTED;

impl Lowering<'_> {
    pub(super) fn join(&mut self, join: &Join) -> Result<Lowered> {
        let left = self.node(&join.left)?;
        let around = self.for_outer_rows;
        self.for_outer_rows |= join.join_type != JoinType::Inner && is_dependent(join);
        let right = self.node(&join.right);
        self.for_outer_rows = around;
        let right = right?;
        let mut on = Vec::with_capacity(join.on.len());
        for (l, r) in &join.on {
            on.push((self.expr(l, join.left.schema())?, self.expr(r, join.right.schema())?));
        }
        let both = join.left.schema().join(join.right.schema())?;
        let residual = join.filter.as_ref().map(|e| self.expr(e, &both)).transpose()?;
        let inner = join.join_type == JoinType::Inner;
        let left = self.guarded(left, vec![always(on.iter().map(|(l, _)| l))])?;
        let right = self.guarded(right, vec![always(on.iter().map(|(_, r)| r))])?;
        // A pair for which the condition errs is left out above the join; where a row without a partner counts too, it has no place.
        let (residual, condition) = match residual {
            Some(e) if self.options.leaves_out && may_err(&e) && inner => (None, Some(e)),
            Some(e) if self.options.leaves_out && may_err(&e) => return Err(refuse_condition(join)),
            other => (other, None),
        };
        let spec = JoinSpec {
            kind: join.join_type,
            on,
            residual,
            null_equals_null: join.null_equality == NullEquality::NullEqualsNull,
            null_aware: join.null_aware,
            left: left.flow.schema(),
            right: right.flow.schema(),
            schema: join.schema.inner().clone(),
            left_append_only: left.append_only,
            right_append_only: right.append_only,
        };
        let append_only = inner && left.append_only && right.append_only;
        let operator = fold::Join::new(spec)?.bounded(self.options.step_bytes_max);
        let joined = Lowered { flow: Flow::node(Box::new(operator), vec![left.flow, right.flow]), append_only, key: None };
        let Some(condition) = condition else { return Ok(joined) };
        let joined = self.guarded(joined, vec![always([&condition])])?;
        let schema = joined.flow.schema();
        Ok(Lowered { flow: Flow::node(Box::new(fold::Filter::new(condition, schema)), vec![joined.flow]), ..joined })
    }
}

/// True if the right side is a subquery's rows for the rows of the left side.
fn is_dependent(join: &Join) -> bool {
    join.on.iter().any(|(_, right)| matches!(right, Expr::Column(column) if column.name.starts_with(UNNESTED)))
}

fn refuse_condition(join: &Join) -> Error {
    let condition = join.filter.as_ref().map_or(String::new(), ToString::to_string);
    refused(&format!("{} join, whose condition may err: {condition}", join.join_type))
}
