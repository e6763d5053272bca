//! Reading what a request asks for: whose key signed it, for which service.

use http::request::Parts;

use crate::rest::form;

/// Whose key signed a request, and for which service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) access_key: String,
    pub(crate) service: String,
}

/// The credential scope (`KEY/20261121/us-east-1/s3/aws4_request`) of the header or of a presigned query.
pub(crate) fn scope(parts: &Parts) -> Option<Scope> {
    let header = parts.headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let credential = match header {
        Some(header) => {
            let fields = header.strip_prefix("AWS4-HMAC-SHA256")?;
            let field = fields.split(',').find_map(|field| field.trim().strip_prefix("Credential="))?;
            field.to_owned()
        }
        None => form(parts.uri.query().unwrap_or_default())
            .into_iter()
            .find_map(|(name, value)| (name == "X-Amz-Credential").then_some(value))?,
    };
    let fields: Vec<&str> = credential.split('/').collect();
    // An access key may hold slashes as far as a parser can know; the scope's four fields are the last.
    let [key @ .., _date, _region, service, "aws4_request"] = fields.as_slice() else { return None };
    Some(Scope { access_key: key.join("/"), service: (*service).to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(method: &str, uri: &str, authorization: Option<&str>) -> Parts {
        let mut request = http::Request::builder().method(method).uri(uri);
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_scope_names_key_and_service() {
        let header = "AWS4-HMAC-SHA256 Credential=AK/20261121/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0";
        let expected = Some(Scope { access_key: "AK".into(), service: "sqs".into() });
        assert_eq!(scope(&parts("POST", "/", Some(header))), expected);
        let presigned = "/b/k?X-Amz-Credential=AK%2F20261121%2Fus-east-1%2Fsqs%2Faws4_request";
        assert_eq!(scope(&parts("GET", presigned, None)), expected);
    }

    #[test]
    fn a_malformed_credential_is_no_credential() {
        for header in ["", "Basic x", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=a/b/c, Signature=0"] {
            assert_eq!(scope(&parts("GET", "/", Some(header))), None, "{header:?}");
        }
    }
}
