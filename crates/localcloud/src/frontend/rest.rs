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
            Some(Call::Hang) => std::future::pending().await,
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
            Some(Call::HangAnswer) => std::future::pending().await,
            Some(Call::CutBody { after }) => {
                result.map(|response| Some(response.map(|body| broken(body, after, Break::Reset))))
            }
            Some(Call::StallBody { after }) => {
                result.map(|response| Some(response.map(|body| broken(body, after, Break::Stall))))
            }
            _ => result.map(Some),
        }
    }
}

/// What a body ends in that does not arrive whole.
#[derive(Clone, Copy)]
enum Break {
    /// The connection breaks.
    Reset,
    /// Nothing comes any more.
    Stall,
}

/// `body` up to `after` bytes and then the break; a body no longer than that is whole.
fn broken(body: Body, after: u64, end: Break) -> Body {
    use futures::StreamExt as _;

    /// What is left of the body, and of the bytes that arrive.
    enum State {
        Arriving(Body, u64),
        Breaking,
        Over,
    }
    let frames = futures::stream::unfold(State::Arriving(body, after), move |state| async move {
        let (mut body, left) = match (state, end) {
            (State::Arriving(body, left), _) => (body, left),
            (State::Breaking, Break::Stall) => std::future::pending().await,
            (State::Breaking, Break::Reset) => {
                let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
                return Some((Err(s3s::StdError::from(reset)), State::Over));
            }
            (State::Over, _) => return None,
        };
        let bytes = match body.next().await? {
            Ok(bytes) => bytes,
            Err(error) => return Some((Err(error), State::Over)),
        };
        let length = bytes.len() as u64;
        if length <= left {
            return Some((Ok(http_body::Frame::data(bytes)), State::Arriving(body, left - length)));
        }
        let head = bytes.slice(..usize::try_from(left).unwrap_or(bytes.len()));
        Some((Ok(http_body::Frame::data(head)), State::Breaking))
    });
    // A reader of a body may ask again after its end.
    Body::http_body_unsync(http_body_util::StreamBody::new(frames.fuse()))
}
