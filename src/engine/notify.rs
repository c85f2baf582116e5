//! LISTEN and NOTIFY: who listens to which channel, and what waits for each session to be told.
//!
//! 1. NOTIFY and pg_notify() leave what they say with their session ([`super::acts`]); LISTEN and UNLISTEN do too.
//! 2. When the transaction has committed, [`Hub::publish`] puts it into the [`Mailbox`] of every session that listens. Who has
//!    something to tell holds [`Hub::order`] from before its append until it has published, so everybody is told in commit order.
//! 3. The connection takes it out when it is idle outside a transaction, and no faster than its client reads.
//!
//! A channel that has the name of a materialized view, stream or table (outside of the first schema `schema.name`) is also told of each
//! commit that changed it: `{"position": n}` says that a query sees the change from position n on. The log and the runner call
//! [`Hub::changed`] for that. While such a notice waits, a later one takes its place; a view that folds several commits in one step tells of
//! the last.
//!
//! Bounded: a mailbox holds [`limits::NOTIFICATIONS_MAX`] notifications of [`limits::NOTIFICATION_BYTES_MAX`] together. One more, and
//! its session ends with 53400; nobody else is delayed.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::data::Position;
use crate::error::{Error, Result, code};
use crate::limits;

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The session that notified; 0 for the server itself.
    pub process: i32,
    pub channel: Arc<str>,
    pub payload: Arc<str>,
}

/// What waits for one session.
#[derive(Default)]
pub struct Mailbox {
    queue: Mutex<Queue>,
    arrived: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Notification>,
    bytes: usize,
    overflown: bool,
}

impl Mailbox {
    /// Answers when something waits.
    pub async fn arrival(&self) {
        loop {
            let arrived = self.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            if self.has_some() {
                return;
            }
            arrived.await;
        }
    }

    /// Answers when more has come than may wait.
    pub async fn overflow(&self) {
        loop {
            let arrived = self.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            if self.queue.lock().overflown {
                return;
            }
            arrived.await;
        }
    }

    fn has_some(&self) -> bool {
        let queue = self.queue.lock();
        queue.overflown || !queue.waiting.is_empty()
    }

    /// The next notification. Errors: 53400 once more has come than may wait.
    pub fn take(&self) -> Result<Option<Notification>> {
        let mut queue = self.queue.lock();
        if queue.overflown {
            return Err(Error::new(
                code::CONFIGURATION_LIMIT_EXCEEDED,
                "terminating connection because too many notifications wait for it",
            )
            .detail(format!(
                "At most {} notifications, or {} bytes, wait for one session.",
                limits::NOTIFICATIONS_MAX,
                limits::NOTIFICATION_BYTES_MAX
            ))
            .hint("Read notifications as they come, and do not stay in a transaction while listening."));
        }
        let next = queue.waiting.pop_front();
        queue.bytes -= next.as_ref().map_or(0, bytes);
        Ok(next)
    }

    /// What part of its room is taken, 0 to 1.
    pub fn usage(&self) -> f64 {
        let queue = self.queue.lock();
        let (count, size) = (queue.waiting.len() as f64, queue.bytes as f64);
        (count / limits::NOTIFICATIONS_MAX as f64).max(size / limits::NOTIFICATION_BYTES_MAX as f64).min(1.0)
    }

    fn put(&self, notification: Notification) {
        let mut queue = self.queue.lock();
        if !queue.overflown {
            queue.bytes += bytes(&notification);
            queue.waiting.push_back(notification);
            if queue.waiting.len() > limits::NOTIFICATIONS_MAX || queue.bytes > limits::NOTIFICATION_BYTES_MAX {
                *queue = Queue { overflown: true, ..Queue::default() };
            }
        }
        drop(queue);
        self.arrived.notify_waiters();
    }

    /// The same, in the place of a change of that relation that waits already.
    fn put_change(&self, change: Notification) {
        let mut queue = self.queue.lock();
        let earlier = queue.waiting.iter().position(|n| n.process == 0 && n.channel == change.channel);
        if let Some(i) = earlier {
            queue.bytes = queue.bytes - bytes(&queue.waiting[i]) + bytes(&change);
            queue.waiting[i] = change;
            return;
        }
        drop(queue);
        self.put(change);
    }
}

fn bytes(notification: &Notification) -> usize {
    size_of::<Notification>() + notification.channel.len() + notification.payload.len()
}

/// Who listens.
#[derive(Default)]
pub struct Hub {
    channels: Mutex<HashMap<Arc<str>, Channel>>,
    /// Channels that somebody listens to, to be asked without a lock.
    listened: AtomicUsize,
    /// Held by a transaction that notifies, from before its append until it has published.
    pub(super) order: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Channel {
    listeners: Vec<(i32, Arc<Mailbox>)>,
    /// The last change of the relation of that name that was told.
    told: Position,
}

impl Hub {
    /// The session is told what comes over the channel from now on.
    pub fn listen(&self, process: i32, channel: &str, mailbox: &Arc<Mailbox>) {
        let mut channels = self.channels.lock();
        let listeners = &mut channels.entry(channel.into()).or_default().listeners;
        if !listeners.iter().any(|(p, _)| *p == process) {
            listeners.push((process, mailbox.clone()));
        }
        self.listened.store(channels.len(), Ordering::SeqCst);
    }

    /// No more; `None` is every channel.
    pub fn unlisten(&self, process: i32, channel: Option<&str>) {
        let mut channels = self.channels.lock();
        channels.retain(|name, c| {
            if channel.is_none_or(|wanted| wanted == name.as_ref()) {
                c.listeners.retain(|(p, _)| *p != process);
            }
            !c.listeners.is_empty()
        });
        self.listened.store(channels.len(), Ordering::SeqCst);
    }

    /// The channels that a session listens to, in order of their names.
    pub fn channels_of(&self, process: i32) -> Vec<String> {
        let channels = self.channels.lock();
        let listens = |c: &&Channel| c.listeners.iter().any(|(p, _)| *p == process);
        let mut names: Vec<String> = channels.iter().filter(|(_, c)| listens(c)).map(|(name, _)| name.to_string()).collect();
        names.sort_unstable();
        names
    }

    /// True if nobody listens to anything.
    pub fn is_idle(&self) -> bool {
        self.listened.load(Ordering::SeqCst) == 0
    }

    /// Tells all who listen what a transaction said.
    pub fn publish(&self, process: i32, said: &[(String, String)]) {
        if self.is_idle() {
            return;
        }
        let channels = self.channels.lock();
        for (channel, payload) in said {
            let Some((name, listened)) = channels.get_key_value(channel.as_str()) else { continue };
            let notification = Notification { process, channel: name.clone(), payload: payload.as_str().into() };
            listened.listeners.iter().for_each(|(_, mailbox)| mailbox.put(notification.clone()));
        }
    }

    /// Tells who listens to a relation's name that a query sees a change of it from `position` on.
    pub fn changed(&self, relation: &str, position: Position) {
        let mut channels = self.channels.lock();
        let Some((name, _)) = channels.get_key_value(relation) else { return };
        let name = name.clone();
        let Some(channel) = channels.get_mut(relation).filter(|c| c.told < position) else { return };
        channel.told = position;
        let payload = format!("{{\"position\": {position}}}").into();
        let change = Notification { process: 0, channel: name, payload };
        channel.listeners.iter().for_each(|(_, mailbox)| mailbox.put_change(change.clone()));
    }

    /// The fullest mailbox: what part of its room is taken.
    pub fn usage(&self) -> f64 {
        let channels = self.channels.lock();
        channels.values().flat_map(|c| &c.listeners).map(|(_, mailbox)| mailbox.usage()).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(mailbox: &Mailbox) -> Vec<String> {
        std::iter::from_fn(|| mailbox.take().unwrap()).map(|n| format!("{} {} {}", n.process, n.channel, n.payload)).collect()
    }

    #[test]
    fn those_who_listen_are_told_in_order() {
        let (hub, a, b) = (Hub::default(), Arc::new(Mailbox::default()), Arc::new(Mailbox::default()));
        let say = |c: &str, p: &str| (c.to_string(), p.to_string());
        hub.publish(9, &[say("x", "nobody listens")]);
        hub.listen(1, "x", &a);
        hub.listen(1, "x", &a);
        hub.listen(2, "x", &b);
        hub.listen(2, "y", &b);
        hub.publish(9, &[say("x", "1"), say("y", "2")]);
        assert_eq!(hub.channels_of(2), ["x", "y"]);
        hub.unlisten(2, None);
        hub.publish(9, &[say("x", "3")]);
        assert_eq!(taken(&a), ["9 x 1", "9 x 3"]);
        assert_eq!(taken(&b), ["9 x 1", "9 y 2"]);
        hub.unlisten(1, Some("x"));
        assert!(hub.is_idle());
    }

    #[test]
    fn changes_that_wait_are_folded_into_the_last() {
        let (hub, a) = (Hub::default(), Arc::new(Mailbox::default()));
        hub.listen(1, "v", &a);
        hub.changed("v", 3);
        hub.publish(9, &[("v".into(), "said".into())]);
        hub.changed("v", 7);
        hub.changed("v", 5);
        hub.changed("w", 8);
        assert_eq!(taken(&a), ["0 v {\"position\": 7}", "9 v said"]);
        hub.changed("v", 7);
        hub.changed("v", 9);
        assert_eq!(taken(&a), ["0 v {\"position\": 9}"]);
    }

    #[test]
    fn a_mailbox_that_nobody_empties_overflows_alone() {
        let (hub, a, b) = (Hub::default(), Arc::new(Mailbox::default()), Arc::new(Mailbox::default()));
        hub.listen(1, "x", &a);
        hub.listen(2, "x", &b);
        for i in 0..=limits::NOTIFICATIONS_MAX {
            hub.publish(9, &[("x".into(), i.to_string())]);
            assert!(b.take().unwrap().is_some());
        }
        assert_eq!(a.take().unwrap_err().code(), code::CONFIGURATION_LIMIT_EXCEEDED);
        assert_eq!(a.queue.lock().bytes, 0, "what waited is freed");
        assert!(b.take().unwrap().is_none());
    }
}
