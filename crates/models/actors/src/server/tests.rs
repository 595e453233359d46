use super::*;

use std::time::Duration;

use contract::Protocol;
use ractor::SupervisionEvent;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

const OPTIONS: fn() -> ServeOptions = || ServeOptions::new(Protocol::Http);

/// Both ends of a connection: the server's and the client's.
async fn connection() -> (TcpStream, TcpStream) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (listener.accept().await.unwrap().0, client)
}

/// A supervisor that passes on why its children fail.
struct Listener(mpsc::UnboundedSender<String>);

impl Actor for Listener {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<()>,
        event: SupervisionEvent,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(_, why) = event {
            self.0.send(why.to_string())?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_call_that_panics_fails_the_actor_that_made_it() {
    for block in [Block::Inline, Block::Offload] {
        let (sender, mut failures) = mpsc::unbounded_channel();
        let (supervisor, _) = Actor::spawn(None, Listener(sender), ()).await.unwrap();
        let (stream, client) = connection().await;
        let child = supervisor.spawn_linked(None, Connection, (stream, OPTIONS()));
        let (actor, ended) = child.await.unwrap();
        port::call(block, &actor, || panic!("a broken driver"), Message::Panicked);
        assert_eq!(failures.recv().await.unwrap(), "a broken driver");
        ended.await.unwrap();
        drop(client);
    }
}

/// An actor that takes a connection's messages, and leaves the test to deal with them.
struct Mailbox;

impl Actor for Mailbox {
    type Msg = Message;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Message>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

/// A conversation that has been sent `bytes` and goes on as it would in `Mailbox`.
async fn conversation(bytes: &[u8]) -> (Conversation, ActorRef<Message>, TcpStream) {
    let (stream, mut client) = connection().await;
    client.write_all(bytes).await.unwrap();
    stream.readable().await.unwrap();
    let (myself, _) = Actor::spawn(None, Mailbox, ()).await.unwrap();
    let mut conversation = Conversation {
        stream,
        service: Service::new(&OPTIONS()),
        block: Block::Offload,
        state: Step::Read { deadline: None },
        waker: Waker::noop().clone(),
        timer: None,
    };
    assert!(conversation.resume(Message::Ready, &myself).is_pending());
    (conversation, myself, client)
}

/// Timers are tasks too.
fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

#[tokio::test]
async fn a_message_that_comes_too_late_changes_nothing() {
    let (mut conversation, myself, _client) =
        conversation(b"GET /wait/5000 HTTP/1.1\r\nHost: test\r\n\r\n").await;
    let before = (conversation.state, tasks());
    assert_eq!(before.0, Step::Wait(Duration::from_secs(5)));
    let digest = contract::Work::new(1).run();
    for late in [Message::Ready, Message::Expired(Instant::now()), Message::Computed(digest)] {
        assert!(conversation.resume(late, &myself).is_pending());
        assert_eq!((conversation.state, tasks()), before);
    }
    assert!(conversation.resume(Message::Waited, &myself).is_pending());
    assert_eq!(conversation.state, Step::Read { deadline: None });
}

#[tokio::test]
async fn a_head_is_expired_by_its_own_deadline_alone() {
    let (mut conversation, myself, mut client) = conversation(b"GET / HT").await;
    let Step::Read { deadline: Some(due) } = conversation.state else {
        panic!("a head that is incomplete has a deadline");
    };
    let earlier = Message::Expired(due.checked_sub(Duration::from_secs(1)).unwrap());
    let before = (conversation.state, tasks());
    assert!(conversation.resume(earlier, &myself).is_pending());
    assert_eq!((conversation.state, tasks()), before);
    assert!(conversation.resume(Message::Expired(due), &myself).is_pending());
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}
