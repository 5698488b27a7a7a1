-- id: business_email_compromise
-- name: Business e-mail compromise, step by step
-- description: Users who signed in from a new address and then did what an intruder in a mailbox does. The steps are:
--   a sign-in from an address never used in the days before, outside the customer's own networks; an inbox rule or
--   forwarding; much mail read from that address; mail sent outside from it or forwarded there. One row for each user
--   with the time of each step and the order in which they came; the more steps, the surer. People who travel read
--   and send from new addresses too, so a rule is needed unless told otherwise. It looks at its own times, not at the
--   time range of the run.
-- severity: high
-- tactic: initial-access, collection, defense-evasion, exfiltration
-- technique: T1078.004, T1114.002, T1114.003, T1564.008, T1534
-- reference: https://learn.microsoft.com/defender-office-365/responding-to-a-compromised-email-account
-- reference: https://attack.mitre.org/techniques/T1078/004/
-- reference: https://attack.mitre.org/techniques/T1114/003/
-- range: off
-- variable $$since$$ datetime default "-P7D": sign-ins from then on
-- variable $$days to look back$$ integer default "30": an address that the user signed in from so many days before is
--   familiar
-- variable $$hours$$ integer default "72": the steps come within so many hours after the sign-in
-- variable $$minimum items$$ integer default "100": so many items read are many; a synced folder counts as many
-- variable $$minimum steps$$ integer default "3": only users with at least so many of the four steps, the sign-in
--   among them
-- variable $$rule needed$$ boolean default "true": only users with an inbox rule or forwarding among the steps
-- variable $$user$$ user optional: only this user; `%` stands for any text
-- column account (user): user
-- column source_ip (ip): address of the sign-in
-- column steps (integer): how many of the four steps came
-- column sequence: the steps in the order in which they came
-- column signed_in_at (datetime): first sign-in from the address
-- column rule_at (datetime): first inbox rule or forwarding after it
-- column rule: what it was
-- column read_at (datetime): first mail read from the address, if much was read
-- column items (integer): number of items read from the address; a synced folder counts as `minimum items`
-- column sent_at (datetime): first mail sent outside from the address, or forwarding outside; a mail whose recipients
--   are not recorded counts
-- column sent (integer): number of such mails
-- column familiar_addresses (integer): number of addresses that the user signed in from before
WITH sign_ins AS (
    SELECT
        lower(user_id) AS account,
        source_ip,
        min(creation_time) AS first_seen
    FROM m365_signins
    WHERE operation = 'UserLoggedIn'
        AND source_ip IS NOT NULL
        AND creation_time >= $$since$$ - interval '$$days to look back$$' day
        [[AND user_id ILIKE $$user$$]]
    GROUP BY 1, 2
),
counted_sign_ins AS (
    SELECT
        account,
        source_ip,
        first_seen,
        sum(CASE WHEN first_seen < $$since$$ THEN 1 ELSE 0 END) OVER (PARTITION BY account) AS familiar_addresses
    FROM sign_ins
),
new_sign_ins AS (
    SELECT account, source_ip, first_seen AS signed_in_at, familiar_addresses
    FROM counted_sign_ins
    WHERE first_seen >= $$since$$
        AND NOT is_internal_ip(source_ip)
),
-- What may follow. Recipients are whatever has the form of an address in the fields that hold them; of a mail whose
-- recipients are not recorded, `?`.
events AS (
    SELECT
        id,
        lower(user_id) AS account,
        source_ip,
        creation_time,
        CASE
            WHEN operation = 'MailItemsAccessed' THEN 'read'
            WHEN operation LIKE 'Send%' THEN 'sent'
            ELSE 'rule'
        END AS step,
        concat_ws(' ', operation, coalesce(parameters['Name'], operation_properties['RuleName'])) AS rule,
        CASE
            WHEN operation_properties['MailAccessType'] = 'Sync' THEN $$minimum items$$
            ELSE coalesce(operation_count, 1)
        END AS items,
        CASE
            WHEN operation LIKE 'Send%' THEN coalesce(recipient_list, '?')
            ELSE concat_ws(
                ' ',
                parameters['ForwardTo'],
                parameters['ForwardAsAttachmentTo'],
                parameters['RedirectTo'],
                parameters['ForwardingSmtpAddress'],
                CASE
                    WHEN operation_properties['RuleActions'] ~* 'forward|redirect|delegate'
                        THEN operation_properties['RuleActions']
                END
            )
        END AS recipients
    FROM m365_audit
    WHERE creation_time >= $$since$$
        AND (
            operation IN (
                'New-InboxRule',
                'Set-InboxRule',
                'Enable-InboxRule',
                'UpdateInboxRules',
                'MailItemsAccessed',
                'Send',
                'SendAs',
                'SendOnBehalf'
            )
            OR (
                operation = 'Set-Mailbox'
                AND coalesce(
                    nullif(parameters['ForwardingSmtpAddress'], ''),
                    nullif(parameters['ForwardingAddress'], '')
                ) IS NOT NULL
            )
        )
),
addressed AS (
    SELECT
        id,
        account,
        source_ip,
        creation_time,
        step,
        rule,
        items,
        -- No event falls away for want of recipients.
        unnest(string_to_array(
            concat('- ', regexp_replace(recipients, '[\s;,:"''<>()\[\]{}\\]+', ' ', 'g')),
            ' '
        )) AS recipient
    FROM events
),
-- One row for each event again.
judged AS (
    SELECT
        id,
        account,
        source_ip,
        creation_time,
        step,
        rule,
        items,
        bool_or(
            recipient = '?'
            OR (recipient LIKE '%_@_%._%' AND NOT is_internal_domain(recipient))
        ) AS is_outside
    FROM addressed
    GROUP BY id, account, source_ip, creation_time, step, rule, items
),
chains AS (
    SELECT
        new_sign_ins.account,
        new_sign_ins.source_ip,
        signed_in_at,
        familiar_addresses,
        min(creation_time) FILTER (WHERE step = 'rule') AS rule_at,
        first_value(rule ORDER BY creation_time) FILTER (WHERE step = 'rule') AS rule,
        CASE
            WHEN sum(items) FILTER (WHERE step = 'read') >= $$minimum items$$
                THEN min(creation_time) FILTER (WHERE step = 'read')
        END AS read_at,
        coalesce(sum(items) FILTER (WHERE step = 'read'), 0) AS items,
        min(creation_time) FILTER (WHERE step IN ('rule', 'sent') AND is_outside) AS sent_at,
        count(*) FILTER (WHERE step = 'sent' AND is_outside) AS sent
    FROM new_sign_ins
    JOIN judged
        ON judged.account = new_sign_ins.account
        -- Rules are few and may come from wherever; mail counts if it comes from the address of the sign-in.
        AND (judged.source_ip = new_sign_ins.source_ip OR step = 'rule')
        AND creation_time >= signed_in_at
        AND creation_time <= signed_in_at + interval '$$hours$$' hour
    GROUP BY new_sign_ins.account, new_sign_ins.source_ip, signed_in_at, familiar_addresses
),
counted AS (
    SELECT
        account,
        source_ip,
        1 + CASE WHEN rule_at IS NULL THEN 0 ELSE 1 END
            + CASE WHEN read_at IS NULL THEN 0 ELSE 1 END
            + CASE WHEN sent_at IS NULL THEN 0 ELSE 1 END AS steps,
        -- The steps behind their times, sorted, and the times taken away again.
        regexp_replace(
            array_to_string(
                array_sort(make_array(
                    concat(CAST(signed_in_at AS varchar), '|0sign-in'),
                    CASE WHEN rule_at IS NOT NULL THEN concat(CAST(rule_at AS varchar), '|1rule') END,
                    CASE WHEN read_at IS NOT NULL THEN concat(CAST(read_at AS varchar), '|2mail read') END,
                    CASE WHEN sent_at IS NOT NULL THEN concat(CAST(sent_at AS varchar), '|3mail sent') END
                )),
                ', '
            ),
            '[^ ]+\|[0-3]',
            '',
            'g'
        ) AS sequence,
        signed_in_at,
        rule_at,
        rule,
        read_at,
        items,
        sent_at,
        sent,
        familiar_addresses
    FROM chains
),
ranked AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY account ORDER BY steps DESC, signed_in_at, source_ip) AS place
    FROM counted
)
SELECT
    account,
    source_ip,
    steps,
    sequence,
    signed_in_at,
    rule_at,
    rule,
    read_at,
    items,
    sent_at,
    sent,
    familiar_addresses
FROM ranked
WHERE place = 1
    AND steps >= $$minimum steps$$
    AND (rule_at IS NOT NULL OR NOT $$rule needed$$)
ORDER BY steps DESC, signed_in_at, account
