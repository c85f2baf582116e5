//! DO of a plain block: its definitions take effect together, or, where one of them errs as the block foresees, not at all.

use super::session::Session;
use crate::error::{Error, Result, code};
use crate::sql::statement::{Block, Caught};

/// The savepoint at the beginning of a block: those of users have names.
const BEGINNING: &str = "";

impl Session {
    /// Runs a block in the transaction that is open. Errors: those of its statements that it does not catch.
    pub(super) async fn run_block(&mut self, block: &Block) -> Result<()> {
        self.keep_point(BEGINNING)?;
        // Its statements do not end the transaction that was opened for the block.
        let alone = self.transaction.as_mut().is_some_and(|t| std::mem::take(&mut t.alone));
        let done = self.run_statements(&block.statements).await;
        if let Some(transaction) = self.transaction.as_mut() {
            transaction.alone = alone;
        }
        match done {
            Err(e) if block.caught.iter().any(|caught| catches(*caught, &e)) => self.back_to(BEGINNING).await?,
            done => done?,
        }
        self.forget_point(BEGINNING)
    }

    async fn run_statements(&mut self, statements: &[String]) -> Result<()> {
        for text in statements {
            Box::pin(self.run_text(text)).await?;
        }
        Ok(())
    }
}

fn catches(caught: Caught, error: &Error) -> bool {
    match caught {
        Caught::Code(code) => error.code() == code,
        Caught::Others => error.code() != code::QUERY_CANCELED,
    }
}
