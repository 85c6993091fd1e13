//! HTTP: connections that a browser asks for, and pages that it has fetched. Requests are read by hyper, which also holds them to
//! their lengths; what is not asked of a proxy is refused, and the connection with it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::{Either, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri::{Authority, PathAndQuery};
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode, Uri, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use tasks::browse::{Asked, Refusal, Target};
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};

use super::{ASKING, Told, Way, tell};
use crate::ssh::Stream;

/// How many bytes the head of a request has at most.
const HEAD: usize = 64 * 1024;

/// How much of a body is held at most before it is handed on.
const HELD: usize = 128 * 1024;

/// What is between two ends only, and is not handed on (RFC 9110, section 7.6.1), with what browsers say to proxies alone. hyper
/// answers what expects an answer before it sends a body.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::EXPECT,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// An answer: what the proxy says, or what comes from a host.
type Answer = Response<Either<Full<Bytes>, Incoming>>;

/// A connection that was asked for: the rest of the client's, and the host's.
type Tunnel = Mutex<Option<(OnUpgrade, Box<dyn Stream>)>>;

/// Serves a connection.
pub(super) async fn serve<S>(stream: S, way: &Arc<Way>, told: &Told)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let tunnel = Tunnel::default();
    let service = service_fn(|request| async {
        let answered = answer(request, way, &tunnel).await;
        Ok::<_, Infallible>(answered.unwrap_or_else(|refusal| {
            tell(told, &refusal);
            refused(&refusal)
        }))
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(ASKING)
        .max_header_size(HEAD)
        .max_buf_size(HELD)
        .preserve_header_case(true)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    let tunnel = tunnel.into_inner().unwrap_or_else(PoisonError::into_inner);
    // How it ends is the business of the two ends.
    if let (Ok(()), Some((client, mut host))) = (served, tunnel)
        && let Ok(client) = client.await
    {
        let _ = copy_bidirectional(&mut TokioIo::new(client), &mut host).await;
    }
}

async fn answer(
    mut request: Request<Incoming>,
    way: &Way,
    tunnel: &Tunnel,
) -> Result<Answer, Refusal> {
    let authority = request.uri().authority().map(Authority::as_str);
    let asked = Asked::of(
        request.method().as_str(),
        request.uri().scheme_str(),
        authority,
    )?;
    match asked {
        Asked::Connection(target) => {
            let host = way.connect(&target).await?;
            let client = hyper::upgrade::on(&mut request);
            *tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some((client, host));
            Ok(Response::new(Either::Left(Full::default())))
        }
        Asked::Page(target) => fetch(request, &target, way).await,
    }
}

/// Fetches a page by a connection of its own.
async fn fetch(
    mut request: Request<Incoming>,
    target: &Target,
    way: &Way,
) -> Result<Answer, Refusal> {
    let failed = |error: hyper::Error| Refusal::Unreachable {
        host: target.at.to_string(),
        port: target.port,
        cause: error.to_string(),
    };
    let unreadable = |_| Refusal::Malformed("its address is none of a page");
    // The name in the address counts, whatever the header says (RFC 9112, section 3.2.2).
    let host = request.uri().authority().map_or("", Authority::as_str);
    let host = HeaderValue::from_str(host)
        .map_err(|_| Refusal::Malformed("its address is none of a page"))?;
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", PathAndQuery::as_str);
    *request.uri_mut() = path.parse::<Uri>().map_err(unreadable)?;
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    for_the_next_hop(headers);
    headers.insert(header::HOST, host);
    headers.append(header::VIA, HeaderValue::from_static("1.1 prov-browse"));
    let stream = way.connect(target).await?;
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(HELD)
        .preserve_header_case(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    // It ends with the answer, or once nobody waits for that.
    tokio::spawn(connection);
    let mut response = sender.send_request(request).await.map_err(failed)?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Refusal::Unsupported(
            "a host changed the protocol of its own accord",
        ));
    }
    for_the_next_hop(response.headers_mut());
    *response.version_mut() = Version::HTTP_11;
    Ok(response.map(Either::Right))
}

/// Takes away what is between two ends only, and what they say is.
fn for_the_next_hop(headers: &mut HeaderMap) {
    let named: Vec<_> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse::<HeaderName>().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP).chain([&PROXY_CONNECTION]) {
        headers.remove(name);
    }
}

/// Says why nothing is handed on, and ends the connection: what follows on it may be meant for somebody else.
fn refused(refusal: &Refusal) -> Answer {
    let mut answer = Response::new(Either::Left(Full::from(format!("{refusal}\n"))));
    *answer.status_mut() =
        StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONNECTION, "close"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}
