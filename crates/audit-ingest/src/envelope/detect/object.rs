//! Which form a sequence of JSON objects has, told by the members of the first.

use sonic_rs::{JsonValueTrait, LazyValue, to_object_iter};

use crate::envelope::form::{ApiForm, Form};
use crate::envelope::json::first_value;

/// The form of a sequence of objects like the first, which may be cut off.
pub(super) fn form(text: &[u8], plain: Form) -> Form {
    if super::is_api_error(text) {
        return Form::Api(ApiForm::Error);
    }
    let valid = match std::str::from_utf8(text) {
        Ok(valid) => valid,
        Err(e) => std::str::from_utf8(&text[..e.valid_up_to()]).unwrap_or_default(),
    };
    // The walk below is recursive.
    let Some(object) = first_value(valid) else {
        return plain;
    };
    let mut keys = Keys::default();
    for (key, value) in to_object_iter(object).map_while(Result::ok) {
        keys.see(&key, &value);
    }
    // The last member of the prefix may be cut off; an envelope's payload is such a member.
    keys.cut_off(object);
    keys.form(plain)
}

/// Members that stand in an object without a record's own, or in objects within it.
const DEEPER: [(&str, Form); 10] = [
    ("\"RawEventData\"", Form::CloudAppEventsJson),
    ("\"office365\"", Form::WazuhJson),
    ("\"o365audit\"", Form::ElasticJson),
    ("\"o365\"", Form::ElasticJson),
    ("\"event.original\"", Form::ElasticJson),
    ("\"o365.audit\"", Form::ElasticJson),
    ("\"_raw\"", Form::CollectorJson),
    ("\"full_message\"", Form::CollectorJson),
    ("\"message\":\"{", Form::CollectorJson),
    ("\"message\": \"{", Form::CollectorJson),
];

/// The members that tell the forms apart.
#[derive(Debug, Default)]
struct Keys {
    record: bool,
    time: bool,
    audit_data_text: bool,
    audit_data_graph: bool,
    /// As Graph's cmdlets name it.
    graph_cmdlet: bool,
    /// What tells the forms whose records may stand deeper.
    deeper: Option<Form>,
    odata_page: bool,
    content_uri: bool,
    client_id: bool,
    notification: bool,
    subscription: bool,
    validation: bool,
    error: bool,
}

impl Keys {
    fn see(&mut self, key: &str, value: &LazyValue<'_>) {
        match key {
            "CreationTime" => (self.record, self.time) = (true, true),
            "RecordType" | "Operation" => self.record = true,
            "AuditData" => self.audit_data_text = true,
            "auditData" => self.audit_data_graph = true,
            "AuditLogRecordType" => self.graph_cmdlet = true,
            "@odata.context" | "@odata.nextLink" | "value" => self.odata_page = true,
            "contentUri" => self.content_uri = true,
            "clientId" => self.client_id = true,
            "notificationSent" | "notificationStatus" => self.notification = true,
            "contentType" | "webhook" => self.subscription = true,
            "validationCode" => self.validation = true,
            "error" => self.error = value.is_object() || value.is_str(),
            _ => {}
        }
    }

    fn cut_off(&mut self, text: &str) {
        self.audit_data_text |= !self.time && text.contains("\"AuditData\"");
        self.audit_data_graph |= !self.record && text.contains("\"auditData\"");
        let holds = |(member, _): &&(&str, _)| !self.record && text.contains(member);
        self.deeper = DEEPER.iter().find(holds).map(|(_, form)| *form);
        self.odata_page |=
            text.starts_with("{\"@odata.context\"") || text.starts_with("{\"value\"");
    }

    fn form(&self, plain: Form) -> Form {
        if self.graph_cmdlet {
            Form::GraphJson
        } else if self.audit_data_text && !self.time {
            // Around a record its type and operation stand, too.
            Form::SearchUnifiedAuditLogJson
        } else if self.record {
            plain
        } else if self.audit_data_graph {
            Form::GraphJson
        } else if let Some(form) = self.deeper {
            form
        } else if self.odata_page {
            Form::GraphJson
        } else if self.notification {
            Form::Api(ApiForm::NotificationListing)
        } else if self.content_uri && self.client_id {
            Form::Api(ApiForm::WebhookNotification)
        } else if self.content_uri {
            Form::Api(ApiForm::ContentListing)
        } else if self.validation {
            Form::Api(ApiForm::WebhookValidation)
        } else if self.subscription {
            Form::Api(ApiForm::SubscriptionListing)
        } else if self.error {
            Form::Api(ApiForm::Error)
        } else {
            plain
        }
    }
}
