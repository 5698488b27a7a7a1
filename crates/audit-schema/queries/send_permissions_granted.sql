-- id: send_permissions_granted
-- name: Right to send as another granted
-- description: Rights to send mail as a mailbox or group (SendAs) or on its behalf (GrantSendOnBehalfTo) that
--   somebody got. With them an intruder writes in another's name from an account of his own.
-- severity: medium
-- tactic: persistence, privilege-escalation
-- technique: T1098.002, T1656
-- reference: https://learn.microsoft.com/powershell/module/exchange/add-recipientpermission
-- reference: https://learn.microsoft.com/exchange/recipients-in-exchange-online/manage-permissions-for-recipients
-- reference: https://attack.mitre.org/techniques/T1098/002/
-- variable $$user$$ user optional: who gave or got the right, or whose mailbox it is; `%` stands for any text
-- column creation_time (datetime): when
-- column operation: cmdlet
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column mailbox (user): mailbox or group that is sent as
-- column trustee (user): who got the right
-- column access_rights: SendAs or SendOnBehalf
-- column result_status: outcome
WITH grants AS (
    SELECT
        creation_time,
        operation,
        user_id,
        source_ip,
        regexp_replace(coalesce(parameters['Identity'], object_id), '^.*/', '') AS mailbox,
        regexp_replace(
            coalesce(parameters['Trustee'], parameters['User'], parameters['GrantSendOnBehalfTo']),
            '^.*/',
            ''
        ) AS trustee,
        CASE
            WHEN parameters['GrantSendOnBehalfTo'] IS NOT NULL THEN 'SendOnBehalf'
            WHEN concat_ws(' ', parameters['AccessRights'], parameters['ExtendedRights']) ~* 'send-?as' THEN 'SendAs'
        END AS access_rights,
        result_status
    FROM m365_exchange_admin
    WHERE operation IN (
            'Add-RecipientPermission',
            'Add-ADPermission',
            'Set-Mailbox',
            'Set-DistributionGroup',
            'Set-DynamicDistributionGroup',
            'Set-UnifiedGroup',
            'Set-MailPublicFolder'
        )
        AND coalesce(user_type, 0) <> 3
)
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    mailbox,
    trustee,
    access_rights,
    result_status
FROM grants
WHERE access_rights IS NOT NULL
    AND trustee <> ''
    AND lower(trustee) NOT IN ('nt authority\self', 'self')
    [[AND (user_id ILIKE $$user$$ OR mailbox ILIKE $$user$$ OR trustee ILIKE $$user$$)]]
ORDER BY creation_time DESC, mailbox, trustee
