//! REST calls, which each service reads and answers in its own shapes: the faults on their way, and the permissions.

use http::{Request, Response};

use super::{Frontend, lost};
use crate::{
    faults::Call,
    registry::{Api, Rest},
    rest::RestCall,
    wire::{ApiError, Body, Caller, RequestId},
};

impl Frontend {
    pub(super) async fn call_rest(
        &self,
        (service, api, rest): (&str, &Api, &Rest),
        key: Option<String>,
        request: Request<Body>,
        id: &RequestId,
    ) -> Response<Body> {
        match self.answer_rest((service, api, rest), key, request, id).await {
            Ok(response) => response.unwrap_or_else(lost),
            Err(error) => (rest.error)(&error),
        }
    }

    /// None is an answer that gets lost.
    async fn answer_rest(
        &self,
        (service, api, rest): (&str, &Api, &Rest),
        key: Option<String>,
        request: Request<Body>,
        id: &RequestId,
    ) -> Result<Option<Response<Body>>, ApiError> {
        let caller: Option<Caller> = match rest.missing_key {
            Some(missing_key) => Some(self.caller(key, missing_key)?),
            None => key.and_then(|key| self.credentials.find(&key)),
        };
        let (parts, body) = request.into_parts();
        let (operation, input) = (rest.operation)(&parts)?;
        let request = Request::from_parts(parts, body);
        let fault = self.meet(service, &operation, &input).await;
        match &fault {
            Some(Call::LoseRequest) => return Ok(None),
            Some(Call::Refuse(error)) => return Err(error.clone()),
            Some(Call::Throttle) => return Err((api.throttled)()),
            _ => {}
        }
        let allowed = match &caller {
            Some(caller) => self.authorize((service, api), &operation, &input, caller),
            // The service refuses a call without a key that exists.
            None => Ok(()),
        };
        let call = RestCall {
            request,
            operation: &operation,
            input: &input,
            caller: caller.as_ref(),
            credentials: &self.credentials,
            id,
        };
        let result = match allowed {
            Ok(()) => (rest.serve)(&self.services, call).await,
            Err(error) => Err(error),
        };
        match fault {
            // Errors get lost too.
            Some(Call::LoseAnswer) => Ok(None),
            Some(Call::CutBody { after }) => {
                result.map(|response| Some(response.map(|body| cut(body, after))))
            }
            _ => result.map(Some),
        }
    }
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
