//! A session that rows are read through, many at a time.
//!
//! The blocking client enters its machinery anew for each message, and a COPY sends every row in a message of its own: that takes
//! as much time as to read the row. Here it is entered once for hundreds of them.

use bytes::Bytes;
use futures_core::Stream as _;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, Config, Connection, Error, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::fault::{self, Site};
use super::reader::Copies;
use crate::store::error::{StoreError, StoreErrorKind};

/// Messages that are taken in one go.
const MESSAGES: usize = 256;

/// A session. Closed when it is dropped.
pub(super) struct Stream {
    client: Client,
    runtime: Runtime,
    /// Why the connection has ended, once it has.
    ended: Arc<Mutex<Option<Error>>>,
}

impl Stream {
    /// Connects as `config` says, encrypted if `tls` is there.
    pub(super) fn connect(config: &Config, tls: Option<MakeRustlsConnect>) -> Result<Stream, StoreErrorKind> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|error| StoreErrorKind::Unreachable(format!("no session can be begun: {error}")))?;
        let ended = Arc::new(Mutex::new(None));
        let client = runtime.block_on(async {
            match tls {
                Some(tls) => config.connect(tls).await.map(|(client, connection)| drive(client, connection, &ended)),
                None => config.connect(NoTls).await.map(|(client, connection)| drive(client, connection, &ended)),
            }
        });
        let client = client.map_err(|error| fault::kind_of_connecting(&error))?;
        Ok(Stream { client, runtime, ended })
    }

    /// Runs statements that give no rows.
    pub(super) fn run(&self, sql: &str) -> Result<(), StoreErrorKind> {
        self.runtime.block_on(self.client.batch_execute(sql)).map_err(|error| self.kind(&error))
    }

    /// What went wrong; of a connection that has ended, why it has.
    fn kind(&self, error: &Error) -> StoreErrorKind {
        if error.is_closed() {
            // What ended the connection may not have been looked at yet.
            self.runtime.block_on(tokio::task::yield_now());
            if let Some(reason) = self.ended.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
                return fault::kind_of(reason);
            }
        }
        fault::kind_of(error)
    }
}

/// Lets the connection work whenever its client is waited for.
fn drive<S, T>(client: Client, connection: Connection<S, T>, ended: &Arc<Mutex<Option<Error>>>) -> Client
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let ended = Arc::clone(ended);
    tokio::spawn(async move {
        *ended.lock().unwrap_or_else(PoisonError::into_inner) = connection.await.err();
    });
    client
}

impl Copies for Stream {
    fn copy_out(
        &mut self,
        site: Site<'_>,
        op: &str,
        sql: &str,
        take: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let failed = |error: Error| site.fail(op, self.kind(&error));
        let mut stream = Box::pin(self.runtime.block_on(self.client.copy_out(sql)).map_err(failed)?);
        let mut messages: Vec<Bytes> = Vec::with_capacity(MESSAGES);
        loop {
            // What takes the rows runs outside: it may itself wait for a session.
            let more = self.runtime.block_on(async {
                while messages.len() < MESSAGES {
                    match poll_fn(|context| stream.as_mut().poll_next(context)).await {
                        Some(message) => messages.push(message?),
                        None => return Ok(false),
                    }
                }
                Ok(true)
            });
            let more = more.map_err(failed)?;
            messages.drain(..).try_for_each(|message| take(&message))?;
            if !more {
                return Ok(());
            }
        }
    }
}
