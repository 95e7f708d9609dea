//! A session: statements and their answers, rows out and rows in.
//!
//! The client library below is asynchronous; here whoever asks waits. A COPY sends every row in a message of its own, and to
//! enter the library's machinery for each takes as much time as to read the row: it is entered once for hundreds of them.

use bytes::Bytes;
use futures_core::Stream as _;
use futures_sink::Sink as _;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Poll, ready};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, CopyInSink, Error, NoTls, Row, SimpleQueryMessage, Statement, ToStatement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::fault::{self, Site};
use crate::store::error::{StoreError, StoreErrorKind};

/// Messages that are taken in one go, and bytes of them: a row may be long.
const MESSAGES: usize = 256;
const MESSAGES_BYTES: usize = 1 << 20;
/// How long a server is told that a session ends. One that does not listen notices by itself.
const GOODBYE: Duration = Duration::from_secs(1);

type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Why there is no session.
#[derive(Debug)]
pub(super) enum NoSession {
    /// This machine has nothing left to work with.
    Runtime(std::io::Error),
    /// The server, or the way to it.
    Connecting(Error),
}

impl NoSession {
    pub(super) fn kind(&self) -> StoreErrorKind {
        match self {
            NoSession::Runtime(error) => StoreErrorKind::Unreachable(format!("no session can be begun: {error}")),
            NoSession::Connecting(error) => fault::kind_of_connecting(error),
        }
    }
}

/// A session. When it is dropped the server is told so.
pub(super) struct Session {
    client: Client,
    // Dropped after the client: then the connection has nothing more to wait for, and ends.
    line: Line,
}

/// What carries messages to and fro, as long as somebody waits for an answer.
struct Line {
    connection: Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>,
    ended: bool,
    runtime: Runtime,
}

impl Line {
    /// Waits for an answer. Where the connection itself fails, that is the error.
    fn wait<T>(&mut self, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let Line { connection, ended, runtime } = self;
        let mut answer = pin!(answer);
        runtime.block_on(poll_fn(|context| {
            if !*ended && let Poll::Ready(end) = connection.as_mut().poll(context) {
                *ended = true;
                if let Err(error) = end {
                    return Poll::Ready(Err(error));
                }
            }
            answer.as_mut().poll(context)
        }))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.ended {
            // Whether it has heard makes no difference to who ends.
            let _ = self.runtime.block_on(async { timeout(GOODBYE, &mut self.connection).await });
        }
    }
}

impl Session {
    /// Connects as `config` says, encrypted if `tls` is there.
    pub(super) fn connect(config: &Config, tls: Option<MakeRustlsConnect>) -> Result<Session, NoSession> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(NoSession::Runtime)?;
        type Connected = (Client, Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>);
        let connected: Result<Connected, Error> = runtime.block_on(async {
            match tls {
                Some(tls) => config.connect(tls).await.map(|(client, line)| (client, Box::pin(line) as _)),
                None => config.connect(NoTls).await.map(|(client, line)| (client, Box::pin(line) as _)),
            }
        });
        let (client, connection) = connected.map_err(NoSession::Connecting)?;
        Ok(Session { client, line: Line { connection, ended: false, runtime } })
    }

    /// Runs statements that give no rows.
    pub(super) fn batch_execute(&mut self, sql: &str) -> Result<(), Error> {
        self.line.wait(self.client.batch_execute(sql))
    }

    /// Runs a statement whose rows come as text.
    pub(super) fn simple_query(&mut self, sql: &str) -> Result<Vec<SimpleQueryMessage>, Error> {
        self.line.wait(self.client.simple_query(sql))
    }

    /// Prepares a statement; it is forgotten when it is dropped.
    pub(super) fn prepare(&mut self, sql: &str) -> Result<Statement, Error> {
        self.line.wait(self.client.prepare(sql))
    }

    /// Runs a statement; all its rows.
    pub(super) fn query<S>(&mut self, statement: &S, parameters: Parameters<'_>) -> Result<Vec<Row>, Error>
    where
        S: ?Sized + ToStatement,
    {
        self.line.wait(self.client.query(statement, parameters))
    }

    /// Runs a statement that gives one row, neither more nor fewer.
    pub(super) fn query_one(&mut self, sql: &str, parameters: Parameters<'_>) -> Result<Row, Error> {
        self.line.wait(self.client.query_one(sql, parameters))
    }

    /// Runs a statement that gives a row or none.
    pub(super) fn query_opt(&mut self, sql: &str, parameters: Parameters<'_>) -> Result<Option<Row>, Error> {
        self.line.wait(self.client.query_opt(sql, parameters))
    }

    /// Runs a statement; how many rows it has changed.
    pub(super) fn execute<S>(&mut self, statement: &S, parameters: Parameters<'_>) -> Result<u64, Error>
    where
        S: ?Sized + ToStatement,
    {
        self.line.wait(self.client.execute(statement, parameters))
    }

    /// Runs a COPY to the client; `take` gets its bytes as they come, cut anywhere. An error of `take` ends it.
    pub(super) fn copy_out(
        &mut self,
        site: Site<'_>,
        op: &str,
        sql: &str,
        take: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let failed = |error: Error| site.fail(op, fault::kind_of(&error));
        let mut stream = Box::pin(self.line.wait(self.client.copy_out(sql)).map_err(failed)?);
        let mut messages: Vec<Bytes> = Vec::with_capacity(MESSAGES);
        loop {
            // What takes the rows runs outside: it may itself wait for a session.
            let more = self.line.wait(async {
                let mut bytes = 0usize;
                while messages.len() < MESSAGES && bytes < MESSAGES_BYTES {
                    match poll_fn(|context| stream.as_mut().poll_next(context)).await {
                        Some(message) => {
                            let message = message?;
                            bytes = bytes.saturating_add(message.len());
                            messages.push(message);
                        }
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

    /// Begins a COPY from the client.
    pub(super) fn copy_in(&mut self, sql: &str) -> Result<CopyIn<'_>, Error> {
        let sink = self.line.wait(self.client.copy_in(sql))?;
        Ok(CopyIn { sink: Box::pin(sink), line: &mut self.line })
    }
}

/// A COPY from the client. Unless it is finished the server takes none of it.
pub(super) struct CopyIn<'a> {
    sink: Pin<Box<CopyInSink<Bytes>>>,
    line: &'a mut Line,
}

impl CopyIn<'_> {
    /// Sends bytes, cut anywhere.
    pub(super) fn send(&mut self, bytes: Vec<u8>) -> Result<(), Error> {
        let (sink, mut bytes) = (&mut self.sink, Some(Bytes::from(bytes)));
        self.line.wait(poll_fn(|context| {
            if bytes.is_some() {
                ready!(sink.as_mut().poll_ready(context))?;
            }
            if let Some(bytes) = bytes.take() {
                sink.as_mut().start_send(bytes)?;
            }
            sink.as_mut().poll_flush(context)
        }))
    }

    /// Ends it; how many rows the server has taken.
    pub(super) fn finish(mut self) -> Result<u64, Error> {
        self.line.wait(poll_fn(|context| self.sink.as_mut().poll_finish(context)))
    }
}
