//! The count of requests in flight is one for the whole process, so this test has a process of its own.

use contract::{Protocol, ServeOptions, Service, Step, in_flight};

#[test]
fn a_request_is_in_flight_from_its_first_byte_to_the_last_byte_of_its_answer() {
    let mut service = Service::new(&ServeOptions::new(Protocol::Http));
    let _idle = Service::new(&ServeOptions::new(Protocol::Http));
    assert!(matches!(service.step(), Step::Read { .. }));
    assert_eq!(in_flight::count(), 0);
    service.received(b"G");
    assert!(matches!(service.step(), Step::Read { .. }));
    assert_eq!(in_flight::count(), 1);
    service.received(b"ET / HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(service.step(), Step::Write);
    let length = service.output().len();
    service.wrote(length - 1);
    assert_eq!(service.step(), Step::Write);
    assert_eq!(in_flight::count(), 1);
    service.wrote(1);
    assert!(matches!(service.step(), Step::Read { .. }));
    assert_eq!(in_flight::count(), 0);

    service.received(b"GET /wait/9 HTTP/1.1\r\nHost: test\r\n\r\n");
    assert!(matches!(service.step(), Step::Wait(_)));
    assert_eq!(in_flight::count(), 1);
    drop(service);
    assert_eq!(in_flight::count(), 0, "a connection that breaks is in flight no more");
}
