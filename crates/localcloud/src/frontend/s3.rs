//! S3's calls: REST with XML, which its own crate speaks. Here are only the faults on their way, and who may.

use http::{Request, Response, StatusCode};

use super::{Frontend, lost, request};
use crate::{
    faults::{self, Call},
    wire::{ApiError, Body},
};

impl Frontend {
    pub(super) async fn call_s3(&self, key: Option<String>, mut request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let (operation, input) = request::s3_operation(&parts);
        request = Request::from_parts(parts, body);
        let fault = self.meet("s3", &operation, &input).await;
        match &fault {
            Some(Call::LoseRequest) => return lost(),
            Some(Call::Refuse(api_error)) => return refuse_s3(api_error),
            Some(Call::Throttle) => return refuse_s3(&faults::throttle("s3")),
            _ => {}
        }
        // Without a key that exists it is refused by whoever checks the signature.
        let caller = key.and_then(|key| self.credentials.find(&key));
        if let Some(caller) = &caller
            && let Err(api_error) = self.authorize("s3", &operation, &input, caller)
        {
            return if matches!(fault, Some(Call::LoseAnswer)) { lost() } else { refuse_s3(&api_error) };
        }
        let mut response = match self.s3.call(request).await {
            Ok(response) => response,
            Err(error) => {
                let cause = s3s::StdError::from(error);
                tracing::error!(error = %cause, operation, "failed to answer an S3 call");
                refuse_s3(
                    &ApiError::client("InternalError", "We encountered an internal error.").with_status(500),
                )
            }
        };
        if response.status() == StatusCode::NOT_FOUND
            && matches!(operation.as_str(), "GetObject" | "HeadObject")
            && let Some(caller) = &caller
            && let Err(api_error) = self.may_miss(&input, caller)
        {
            response = refuse_s3(&api_error);
        }
        match fault {
            Some(Call::LoseAnswer) => lost(),
            Some(Call::CutBody { after }) => {
                let body = std::mem::take(response.body_mut());
                *response.body_mut() = cut(body, after);
                response
            }
            _ => response,
        }
    }
}

fn refuse_s3(api_error: &ApiError) -> Response<Body> {
    let code = api_error.code.parse().unwrap_or(s3s::S3ErrorCode::InternalError);
    let mut error = s3s::S3Error::with_message(code, api_error.message.clone());
    error
        .set_status_code(StatusCode::from_u16(api_error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    error.to_http_response().unwrap_or_else(|_| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

/// `body` up to `after` bytes and then a broken connection; a body no longer than that is whole.
fn cut(body: Body, after: u64) -> Body {
    use futures::StreamExt as _;

    let frames = futures::stream::unfold((body, Some(after), None), |(mut body, left, rest)| async move {
        if let Some(error) = rest {
            return Some((Err(error), (body, None, None)));
        }
        // The connection broke before.
        let allowed = left?;
        let bytes = match body.next().await? {
            Ok(bytes) => bytes,
            Err(error) => return Some((Err(error), (body, None, None))),
        };
        let length = bytes.len() as u64;
        if length <= allowed {
            return Some((Ok(http_body::Frame::data(bytes)), (body, Some(allowed - length), None)));
        }
        let head = bytes.slice(..usize::try_from(allowed).unwrap_or(bytes.len()));
        let reset = s3s::StdError::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        Some((Ok(http_body::Frame::data(head)), (body, None, Some(reset))))
    });
    // Whoever reads a body may ask again after its end.
    Body::http_body_unsync(http_body_util::StreamBody::new(frames.fuse()))
}
