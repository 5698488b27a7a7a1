-- id: records_by_hour_of_day
-- name: Records by hour of the day
-- description: When people are active: records by hour of the day, on working days and on Saturdays and Sundays. Work in
--   hours in which a user never worked before is worth a look.
-- variable $$user$$ user optional: whose records; `%` stands for any text
-- variable $$hours from UTC$$ integer default "0": how far local time is ahead of UTC; negative in the west
-- column hour (integer): hour of the day, 0 to 23
-- column records (integer): number of records
-- column on_weekends (integer): how many of them on a Saturday or Sunday
-- column users (integer): number of distinct users
-- column failed_sign_ins (integer): number of failed sign-ins
WITH local AS (
    SELECT
        creation_time + interval '$$hours from UTC$$' hour AS local_time,
        user_id,
        operation
    FROM m365_audit
    [[WHERE user_id ILIKE $$user$$]]
)
SELECT
    date_part('hour', local_time) AS hour,
    count(*) AS records,
    count(*) FILTER (WHERE date_part('dow', local_time) IN (0, 6)) AS on_weekends,
    count(DISTINCT user_id) AS users,
    count(*) FILTER (WHERE operation = 'UserLoginFailed') AS failed_sign_ins
FROM local
GROUP BY 1
ORDER BY hour
