//! COPY FROM STDIN and COPY TO STDOUT, in either protocol.
//!
//! Manual: PostgreSQL, "Message Flow", "COPY Operations".

use std::sync::atomic::Ordering;

use bytes::BufMut;
use futures::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite};

use super::backend::Backend;
use super::connection::Connection;
use super::interrupt::{Failure, Step};
use super::read::{Message, protocol};
use super::write;
use crate::engine::CopyOut;
use crate::error::{Error, code};

impl<B: Backend, S: AsyncRead + AsyncWrite + Unpin + Send> Connection<B, S> {
    /// Asks the client for rows and takes them until it ends or fails; answers the tag. After an error here the rest of the data
    /// comes to the main loop, which drops it, as PostgreSQL does.
    pub(super) async fn copy_in(&mut self, mut copy: B::CopyIn) -> Step<String> {
        let (columns, binary) = B::copy_shape(&copy);
        write::copy_response(&mut self.socket.out, b'G', columns, binary);
        loop {
            let Message { tag, body } = self.copy_message().await?;
            match tag {
                b'd' => {
                    let pushed = B::copy_push(&mut copy, body);
                    self.interrupt.call(&mut self.socket, pushed).await?;
                }
                b'c' => {
                    let finished = self.session.finish_copy(copy);
                    return self.interrupt.call(&mut self.socket, finished).await;
                }
                b'f' => {
                    let reason = self.socket.charset().read(body.strip_suffix(b"\0").unwrap_or(&body))?;
                    return Err(Error::new(code::QUERY_CANCELED, format!("COPY from stdin failed: {reason}")).into());
                }
                // Clients that do not wait for CopyInResponse have sent these already.
                b'H' | b'S' => {}
                b'X' => return Err(Failure::Gone),
                other => {
                    let message = format!("unexpected message type 0x{other:02X} during COPY from stdin");
                    return Err(Failure::Fatal(protocol(message)));
                }
            }
        }
    }

    async fn copy_message(&mut self) -> Step<Message> {
        loop {
            match self.socket.message().map_err(Failure::Fatal)? {
                Some(message) => return Ok(message),
                None => self.interrupt.fill(&mut self.socket).await?,
            }
        }
    }

    /// Sends each row as a CopyData message, no faster than the socket takes them; answers the tag.
    pub(super) async fn copy_out(&mut self, mut copy: CopyOut) -> Step<String> {
        write::copy_response(&mut self.socket.out, b'H', copy.columns, copy.binary);
        while let Some(chunk) = self.interrupt.pull(&mut self.socket, copy.chunks.next()).await? {
            for row in chunk? {
                let length = i32::try_from(row.len() + 4)
                    .map_err(|_| Error::new(code::PROGRAM_LIMIT_EXCEEDED, "a row of more than 2 GiB cannot be sent"))?;
                self.socket.out.put_u8(b'd');
                self.socket.out.put_i32(length);
                self.socket.out.put_slice(&row);
                self.interrupt.relieve(&mut self.socket).await?;
            }
        }
        write::bare(&mut self.socket.out, b'c');
        Ok(format!("COPY {}", copy.rows.load(Ordering::SeqCst)))
    }
}
