use super::*;

/// Leaves what it was given, or fails.
#[derive(Clone, Copy)]
struct Child;

impl Actor for Child {
    type Msg = ();
    type State = u32;
    type Arguments = u32;

    async fn pre_start(&self, myself: ActorRef<()>, job: u32) -> Result<u32, ActorProcessingErr> {
        myself.cast(())?;
        Ok(job)
    }

    async fn handle(
        &self,
        myself: ActorRef<()>,
        (): (),
        job: &mut u32,
    ) -> Result<(), ActorProcessingErr> {
        match job {
            2 => panic!("a bug"),
            3 => return Err("an error".into()),
            _ => myself.stop(None),
        }
        Ok(())
    }
}

#[tokio::test]
async fn children_that_fail_leave_the_others_in_their_places() {
    for at_once in [1, 2, 4] {
        let ends = gather(Child, vec![1, 2, 3, 4], at_once).await.unwrap();
        let why = |why: &str| Err(why.to_owned());
        assert_eq!(ends, [Ok(1), why("a bug"), why("an error"), Ok(4)]);
    }
}

#[tokio::test]
async fn nothing_to_do_ends_at_once() {
    assert_eq!(gather(Child, Vec::new(), 1).await.unwrap(), []);
}

#[test]
fn a_fetch_whose_actor_failed_is_reported_under_its_url() {
    let url = "http://127.0.0.1:1/".to_owned();
    let failed = fetched(url.clone(), Err("a bug".into()));
    assert_eq!((failed.url, failed.error), (url, Some("a bug".to_owned())));
}
