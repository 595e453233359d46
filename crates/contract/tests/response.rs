//! The response parser: what real servers send, what broken and hostile ones send, and that cutting changes nothing.

use contract::response::{
    Expect, Framing, HEAD_SIZE_MAX, ResponseError, ResponseEvent, ResponseHead, ResponseParser,
};
use proptest::prelude::*;

/// One answer, its body gathered.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    head: ResponseHead,
    body: Vec<u8>,
    complete: bool,
}

/// Everything that a connection gave: answers, then how it ended.
type Seen = (Vec<Answer>, Result<(), ResponseError>);

/// Feeds `pieces` in turn and then the end of the input.
fn parse_pieces<'a>(expect: Expect, pieces: impl IntoIterator<Item = &'a [u8]>) -> Seen {
    let mut parser = ResponseParser::new(expect);
    let mut answers: Vec<Answer> = Vec::new();
    for piece in pieces {
        let mut input = piece;
        loop {
            match parser.next(&mut input) {
                Ok(Some(event)) => gather(&mut answers, event),
                Ok(None) => break assert!(input.is_empty(), "bytes were left without a reason"),
                Err(error) => {
                    assert_eq!(parser.next(&mut input), Err(error), "an error stays");
                    assert_eq!(parser.end_of_input(), Err(error), "an error stays");
                    return (answers, Err(error));
                }
            }
        }
    }
    match parser.end_of_input() {
        Ok(event) => event.into_iter().for_each(|event| gather(&mut answers, event)),
        Err(error) => return (answers, Err(error)),
    }
    (answers, Ok(()))
}

fn gather(answers: &mut Vec<Answer>, event: ResponseEvent<'_>) {
    match event {
        ResponseEvent::Head(head) => {
            answers.push(Answer { head, body: Vec::new(), complete: false });
        }
        ResponseEvent::Body(bytes) => {
            assert!(!bytes.is_empty(), "an empty part says nothing");
            answers.last_mut().expect("a head comes first").body.extend_from_slice(bytes);
        }
        ResponseEvent::End => answers.last_mut().expect("a head comes first").complete = true,
    }
}

fn parse(bytes: impl AsRef<[u8]>) -> Seen {
    parse_pieces(Expect::Body, [bytes.as_ref()])
}

fn answer(status: u16, framing: Framing, keep_alive: bool, body: &str) -> Answer {
    Answer { head: ResponseHead { status, framing, keep_alive }, body: body.into(), complete: true }
}

#[test]
fn content_length_ends_the_body() {
    let seen = parse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(seen, (vec![answer(200, Framing::Length(5), true, "hello")], Ok(())));
}

#[test]
fn pipelined_answers_come_one_after_the_other() {
    let one = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab";
    let two = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    let seen = parse([one, two, one].concat());
    let first = answer(200, Framing::Length(2), true, "ab");
    assert_eq!(
        seen,
        (vec![first.clone(), answer(404, Framing::Length(0), true, ""), first], Ok(()))
    );
}

#[test]
fn chunks_extensions_and_trailers_are_taken_off_the_body() {
    let seen = parse(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, Chunked\r\n\r\n\
         5\r\nhello\r\n00006;name=\"value\"\r\n world\r\n0 \r\nExpires: never\r\nX: y\r\n\r\n",
    );
    assert_eq!(seen, (vec![answer(200, Framing::Chunked, true, "hello world")], Ok(())));
}

#[test]
fn without_a_length_the_body_ends_with_the_connection() {
    let seen = parse("HTTP/1.1 200 OK\r\n\r\nall of it");
    assert_eq!(seen, (vec![answer(200, Framing::UntilClose, false, "all of it")], Ok(())));
    let seen = parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nzipped");
    assert_eq!(seen, (vec![answer(200, Framing::UntilClose, false, "zipped")], Ok(())));
}

#[test]
fn interim_answers_are_skipped() {
    let seen = parse(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
    );
    assert_eq!(seen, (vec![answer(200, Framing::Length(1), true, "x")], Ok(())));
}

#[test]
fn answers_without_a_body_end_with_their_head() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n";
    let seen = parse_pieces(Expect::HeadOnly, [[head, head].concat().as_bytes()]);
    assert_eq!(seen, (vec![answer(200, Framing::None, true, ""); 2], Ok(())));
    for status in [204, 304] {
        let seen = parse(format!("HTTP/1.1 {status} Nothing\r\nContent-Length: 7\r\n\r\n"));
        assert_eq!(seen, (vec![answer(status, Framing::None, true, "")], Ok(())));
    }
}

#[test]
fn names_have_any_case_and_values_any_white_space() {
    let seen =
        parse("HTTP/1.1 200\r\ncOnTeNt-LeNgTh: \t 2 \t\r\nCONNECTION:upgrade , Close\r\n\r\nok");
    assert_eq!(seen, (vec![answer(200, Framing::Length(2), false, "ok")], Ok(())));
}

#[test]
fn http_1_0_closes_unless_it_says_otherwise() {
    let seen = parse("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(seen, (vec![answer(200, Framing::Length(2), false, "ok")], Ok(())));
    let seen = parse("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(seen, (vec![answer(200, Framing::Length(2), true, "ok")], Ok(())));
}

#[test]
fn the_fields_of_an_answer_are_shown_and_those_of_interim_heads_are_not() {
    let mut parser = ResponseParser::default();
    let bytes = b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nServer:  x y \r\nContent-Length: 0\r\n\r\n";
    for step in [1, 7, bytes.len()] {
        let mut shown = Vec::new();
        for piece in bytes.chunks(step) {
            let mut input = piece;
            let mut show = |name: &str, value: &[u8]| {
                shown.push(format!("{name}={}", String::from_utf8_lossy(value)));
            };
            while parser.next_with(&mut input, &mut show).unwrap().is_some() {}
        }
        assert_eq!(shown, ["Server=x y", "Content-Length=0"], "cut into {step}");
    }
}

#[test]
fn one_connection_may_be_asked_in_both_ways() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
    let mut parser = ResponseParser::default();
    for (expect, bytes) in [
        (Expect::HeadOnly, head.to_vec()),
        (Expect::Body, [&head[..], b"ab"].concat()),
        (Expect::HeadOnly, head.to_vec()),
    ] {
        parser.set_expect(expect);
        let mut input = bytes.as_slice();
        let mut last = None;
        while let Some(event) = parser.next(&mut input).unwrap() {
            last = Some(event);
        }
        assert_eq!(last, Some(ResponseEvent::End), "{expect:?}");
    }
}

#[test]
fn equal_lengths_agree_and_different_ones_do_not() {
    let head = |a: &str, b: &str| {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {a}\r\nContent-Length: {b}\r\n\r\nok")
    };
    assert_eq!(parse(head("2", "2")), (vec![answer(200, Framing::Length(2), true, "ok")], Ok(())));
    assert_eq!(parse(head("2", "3")), (vec![], Err(ResponseError::BadLength)));
}

#[test]
fn nothing_at_all_is_no_answer_and_no_error() {
    assert_eq!(parse(""), (vec![], Ok(())));
}

#[test]
fn an_answer_cut_anywhere_is_short() {
    let whole =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n";
    for end in 1..whole.len() {
        assert_eq!(parse(&whole[..end]).1, Err(ResponseError::Short), "cut at {end}");
    }
    assert_eq!(
        parse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell").1,
        Err(ResponseError::Short)
    );
    assert_eq!(parse("HTTP/1.1 100 Continue\r\n\r\n").1, Err(ResponseError::Short));
}

#[test]
fn each_fault_has_its_name() {
    let chunked =
        |body: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    let with = |field: &str| format!("HTTP/1.1 200 OK\r\n{field}\r\n\r\n");
    let cases = [
        ("SSH-2.0-OpenSSH\r\n".to_owned(), ResponseError::NotHttp),
        ("HTTP/2.0 200 OK\r\n\r\n".to_owned(), ResponseError::NotHttp),
        ("HTTP/1.1 042 What\r\n\r\n".to_owned(), ResponseError::NotHttp),
        ("HTTP/1.1 2x0 OK\r\n\r\n".to_owned(), ResponseError::NotHttp),
        (with("no colon"), ResponseError::BadHeader),
        (with("Folded: a\r\n b"), ResponseError::BadHeader),
        (with("Content-Length : 5"), ResponseError::BadHeader),
        (with("Content-Length: -5"), ResponseError::BadLength),
        (with("Content-Length: +5"), ResponseError::BadLength),
        (with("Content-Length: 5, 5"), ResponseError::BadLength),
        (with("Content-Length:"), ResponseError::BadLength),
        (with("Content-Length: 18446744073709551616"), ResponseError::BadLength),
        (with("Content-Length: 5\r\nTransfer-Encoding: chunked"), ResponseError::AmbiguousLength),
        (
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
            ResponseError::AmbiguousLength,
        ),
        (chunked("x\r\n"), ResponseError::BadChunk),
        (chunked("\r\n"), ResponseError::BadChunk),
        (chunked(";a=b\r\n"), ResponseError::BadChunk),
        (chunked("5\nhello"), ResponseError::BadChunk),
        (chunked("5\r\nhelloo"), ResponseError::BadChunk),
        (chunked("5\r\nhello\r\r"), ResponseError::BadChunk),
        (chunked("5;a\nb\r\n"), ResponseError::BadChunk),
        (chunked("11112222333344445\r\n"), ResponseError::BadChunk),
        (chunked(&format!("5;{}\r\n", "e".repeat(2000))), ResponseError::BadChunk),
        (chunked(&format!("0\r\n{}", "A: b\r\n".repeat(4000))), ResponseError::TrailersTooLong),
        (with(&"A: b\r\n".repeat(101)), ResponseError::TooManyHeaders),
        (with(&format!("A: {}", "b".repeat(HEAD_SIZE_MAX))), ResponseError::HeadTooLong),
        (
            with("A: b\r\n\r\nHTTP/1.1 100 C\r\n\r\n").replace("200 OK", "101 Switching"),
            ResponseError::Upgrade,
        ),
        ("HTTP/1.1 100 Continue\r\n\r\n".repeat(40), ResponseError::TooManyInterim),
    ];
    for (bytes, error) in cases {
        assert_eq!(parse(&bytes).1, Err(error), "{:?}", &bytes[..bytes.len().min(80)]);
    }
}

#[test]
fn an_endless_head_costs_no_more_than_its_bound() {
    let mut parser = ResponseParser::new(Expect::Body);
    let mut taken = 0;
    let error = loop {
        let mut input: &[u8] = if taken == 0 {
            b"HTTP/1.1 200 OK\r\nA: "
        } else {
            b"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
        };
        taken += input.len();
        match parser.next(&mut input) {
            Ok(event) => assert_eq!(event, None),
            Err(error) => break error,
        }
    };
    assert_eq!(error, ResponseError::HeadTooLong);
    assert!(taken < HEAD_SIZE_MAX + 64);
}

/// A series of answers as servers send them, some of them damaged in one byte.
fn some_responses() -> impl Strategy<Value = Vec<u8>> {
    let length = (200_u16..=504, "[a-z ]{0,40}").prop_map(|(status, body)| {
        format!(
            "HTTP/1.1 {status} Some\r\nServer: x\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    });
    let chunked = proptest::collection::vec("[a-z]{1,20}", 0..4).prop_map(|chunks| {
        let chunks: Vec<String> =
            chunks.iter().map(|c| format!("{:x};e\r\n{c}\r\n", c.len())).collect();
        let chunks = chunks.concat();
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\nT: u\r\n\r\n")
    });
    let other = prop_oneof![
        Just("HTTP/1.1 100 Continue\r\n\r\n".to_owned()),
        Just("\r\nHTTP/1.1 204 No Content\r\n\r\n".to_owned()),
        Just("HTTP/1.0 200 OK\r\n\r\nuntil the end".to_owned()),
    ];
    let series =
        proptest::collection::vec(prop_oneof![4 => length, 4 => chunked, 1 => other], 0..5);
    (series, proptest::option::of((any::<prop::sample::Index>(), any::<u8>()))).prop_map(
        |(series, damage)| {
            let mut bytes = series.concat().into_bytes();
            if let (Some((at, byte)), false) = (damage, bytes.is_empty()) {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        },
    )
}

fn cut<'a>(bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at(rest.len().min(*size));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn cutting_the_bytes_changes_nothing(
        bytes in some_responses(),
        sizes in proptest::collection::vec(1_usize..40, 1..8),
        head_only: bool,
    ) {
        let expect = if head_only { Expect::HeadOnly } else { Expect::Body };
        let whole = parse_pieces(expect, [bytes.as_slice()]);
        prop_assert_eq!(&parse_pieces(expect, cut(&bytes, &sizes)), &whole);
        prop_assert_eq!(&parse_pieces(expect, cut(&bytes, &[1])), &whole);
    }

    #[test]
    fn arbitrary_bytes_are_survived_and_cutting_them_changes_nothing(
        start in prop_oneof![Just(""), Just("HTTP/1.1 200 OK\r\n"), Just("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")],
        noise in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b'0'), Just(b':')], 0..200),
        sizes in proptest::collection::vec(1_usize..40, 1..8),
    ) {
        let bytes = [start.as_bytes(), &noise].concat();
        prop_assert_eq!(parse_pieces(Expect::Body, cut(&bytes, &sizes)), parse(&bytes));
    }
}
