//! EXCEPT ALL and INTERSECT ALL.

use datafusion::logical_expr::Extension;

use super::{Lowered, Lowering, unsupported};
use crate::error::Result;
use crate::fold::{self, Flow, SetOperationKind};
use crate::func::setops::SetOperation;

impl Lowering<'_> {
    /// Nodes of our own; a set operation is the only one.
    pub(super) fn extension(&mut self, extension: &Extension) -> Result<Lowered> {
        let Some(operation) = extension.node.as_any().downcast_ref::<SetOperation>() else {
            return Err(unsupported(format!("this part of a plan: {}", extension.node.name()), "Simplify the query."));
        };
        let (left, right) = (self.node(&operation.left)?, self.node(&operation.right)?);
        let kind = if operation.intersect { SetOperationKind::IntersectAll } else { SetOperationKind::ExceptAll };
        let append_only = operation.intersect && left.append_only && right.append_only;
        let operator = fold::SetOperation::new(kind, left.flow.schema())?;
        Ok(Lowered { flow: Flow::node(Box::new(operator), vec![left.flow, right.flow]), append_only, key: None })
    }
}
