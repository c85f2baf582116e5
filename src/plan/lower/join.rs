//! Joins of all kinds.

use datafusion::common::{JoinType, NullEquality};
use datafusion::logical_expr::Join;

use super::{Lowered, Lowering};
use crate::error::Result;
use crate::fold::{self, Flow, JoinSpec};

impl Lowering<'_> {
    pub(super) fn join(&mut self, join: &Join) -> Result<Lowered> {
        let left = self.node(&join.left)?;
        let right = self.node(&join.right)?;
        let mut on = Vec::with_capacity(join.on.len());
        for (l, r) in &join.on {
            on.push((self.expr(l, join.left.schema())?, self.expr(r, join.right.schema())?));
        }
        let both = join.left.schema().join(join.right.schema())?;
        let residual = join.filter.as_ref().map(|e| self.expr(e, &both)).transpose()?;
        let inner = join.join_type == JoinType::Inner;
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
        Ok(Lowered { flow: Flow::node(Box::new(fold::Join::new(spec)?), vec![left.flow, right.flow]), append_only, key: None })
    }
}
