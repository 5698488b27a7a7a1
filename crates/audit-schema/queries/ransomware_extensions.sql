-- id: ransomware_extensions
-- name: Files with extensions of ransomware
-- description: Files that were renamed to, or uploaded with, an extension that ransomware gives to what it encrypted,
--   by user, extension and hour. Many at once from a sync client mean an encrypted computer: stop the sync, then
--   restore from versions.
-- severity: high
-- tactic: impact
-- technique: T1486
-- reference: https://learn.microsoft.com/sharepoint/restore-files
-- reference: https://learn.microsoft.com/security/ransomware/protect-against-ransomware-phase1
-- reference: https://attack.mitre.org/techniques/T1486/
-- variable $$extensions$$ list of string default "crypt", "crypted", "crypto", "encrypted", "encrypt", "enc",
--   "locked", "lockbit", "lockbit3", "abcd", "conti", "ryk", "ryuk", "rykcrypt", "akira", "powerranges", "blackcat",
--   "alphv", "sykffle", "hive", "key.hive", "royal", "royal_w", "blacksuit", "blackbasta", "basta", "medusa",
--   "rhysida", "play", "phobos", "eking", "eight", "8base", "dharma", "cezar", "wallet", "crysis", "djvu", "cerber",
--   "cerber3", "locky", "zepto", "odin", "osiris", "aesir", "zzzzz", "wncry", "wcry", "wnry", "wncryt", "gandcrab",
--   "krab", "crab", "sodinokibi", "revil", "maze", "egregor", "clop", "cl0p", "cuba", "babyk", "babuk", "avoslocker",
--   "avos2", "snatch", "darkside", "blackmatter", "blackbyte", "ragnar", "ragnarok", "netwalker", "mailto",
--   "nefilim", "pysa", "vice", "vsociety", "qilin", "lynx", "fog", "flocked", "hunters", "cactus", "cts1",
--   "bianlian", "trigona", "_locked", "mallox", "malox", "faust", "elbie", "ransom", "ransomed", "payransom",
--   "pay2key", "r5a", "vvv", "ecc", "ezz", "exx", "xtbl", "aaa", "ttt": extensions in lower case without the full
--   stop
-- variable $$minimum files$$ integer default "3": only where an hour has at least so many files with such an
--   extension
-- variable $$user$$ user optional: who; `%` stands for any text
-- column hour (datetime): the hour, UTC
-- column user_id (user): who
-- column source_ip (ip): address it came from
-- column extension: the extension
-- column files (integer): number of distinct files
-- column sites (integer): number of distinct sites
-- column operations: what was done
-- column some_file (path): one of the files
-- column some_machine (guid): id of a device that synced them
-- column first_seen (datetime): earliest record
-- column last_seen (datetime): latest record
WITH files AS (
    SELECT
        creation_time,
        user_id,
        source_ip,
        operation,
        object_id,
        site_url,
        machine_id,
        CASE
            WHEN operation = 'FileRenamed' THEN coalesce(nullif(destination_file_name, ''), source_file_name)
            ELSE source_file_name
        END AS file
    FROM m365_audit
    WHERE operation IN (
            'FileRenamed',
            'FileUploaded',
            'FileModified',
            'FileModifiedExtended',
            'FileSyncUploadedFull',
            'FileSyncUploadedPartial'
        )
        AND record_type IN (6, 7)
        [[AND user_id ILIKE $$user$$]]
),
named AS (
    SELECT
        *,
        lower(regexp_replace(file, '^.*\.', '')) AS extension
    FROM files
    WHERE file LIKE '%_._%'
)
SELECT
    date_trunc('hour', creation_time) AS hour,
    user_id,
    source_ip,
    extension,
    count(DISTINCT concat_ws('/', object_id, file)) AS files,
    count(DISTINCT site_url) AS sites,
    string_agg(DISTINCT operation, ', ' ORDER BY operation) AS operations,
    min(file) AS some_file,
    min(nullif(machine_id, '')) AS some_machine,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM named
WHERE extension IN ($$extensions$$)
GROUP BY 1, 2, 3, 4
HAVING count(DISTINCT concat_ws('/', object_id, file)) >= $$minimum files$$
ORDER BY files DESC, hour, user_id, extension
