-- dim_counterparty_current
WITH owner AS (
SELECT star FROM lake_owners WHERE dimension = 'dim_counterparty'
), ranked AS (
SELECT t."counterparty_id", t."counterparty_legal_name", t."counterparty_legal_address_line_1", t."counterparty_legal_address_line_2", t."counterparty_legal_district", t."counterparty_legal_city", t."counterparty_legal_postal_code", t."counterparty_legal_country", t."counterparty_legal_phone_number", f.batch AS lake_batch, row_number() OVER (
PARTITION BY t."counterparty_id"
ORDER BY CASE WHEN o.star IS NOT NULL AND NOT f.overtaken THEN 0 ELSE 1 END,
CASE WHEN o.star IS NOT NULL AND NOT f.overtaken THEN -f.batch ELSE f.batch END,
f.released, f.path DESC) AS lake_rank
FROM "dim_counterparty" t JOIN lake_files f ON f.path = t."$path" LEFT JOIN owner o ON o.star = f.star
)
SELECT r."counterparty_id", r."counterparty_legal_name", r."counterparty_legal_address_line_1", r."counterparty_legal_address_line_2", r."counterparty_legal_district", r."counterparty_legal_city", r."counterparty_legal_postal_code", r."counterparty_legal_country", r."counterparty_legal_phone_number", r.lake_batch FROM ranked r WHERE r.lake_rank = 1;

-- dim_currency_current
WITH owner AS (
SELECT star FROM lake_owners WHERE dimension = 'dim_currency'
), ranked AS (
SELECT t."currency_id", t."currency_code", t."currency_name", f.batch AS lake_batch, row_number() OVER (
PARTITION BY t."currency_id"
ORDER BY CASE WHEN o.star IS NOT NULL AND NOT f.overtaken THEN 0 ELSE 1 END,
CASE WHEN o.star IS NOT NULL AND NOT f.overtaken THEN -f.batch ELSE f.batch END,
f.released, f.path DESC) AS lake_rank
FROM "dim_currency" t JOIN lake_files f ON f.path = t."$path" LEFT JOIN owner o ON o.star = f.star
)
SELECT r."currency_id", r."currency_code", r."currency_name", r.lake_batch FROM ranked r WHERE r.lake_rank = 1;

-- dim_date_current
WITH owner AS (
SELECT star FROM lake_owners WHERE dimension = 'dim_date'
), ranked AS (
SELECT t."date_id", t."year", t."month", t."day", t."day_of_week", t."day_name", t."month_name", t."quarter", f.batch AS lake_batch, row_number() OVER (
PARTITION BY t."date_id"
ORDER BY CASE WHEN o.star IS NOT NULL AND NOT f.overtaken THEN 0 ELSE 1 END,
CASE WHEN o.star IS NOT NULL AND NOT f.overtaken THEN -f.batch ELSE f.batch END,
f.released, f.path DESC) AS lake_rank
FROM "dim_date" t JOIN lake_files f ON f.path = t."$path" LEFT JOIN owner o ON o.star = f.star
)
SELECT r."date_id", r."year", r."month", r."day", r."day_of_week", r."day_name", r."month_name", r."quarter", r.lake_batch FROM ranked r WHERE r.lake_rank = 1;

-- dim_design_current
WITH owner AS (
SELECT 'sales' AS star
), ranked AS (
SELECT t."design_id", t."design_name", t."file_location", t."file_name", f.batch AS lake_batch, row_number() OVER (
PARTITION BY t."design_id"
ORDER BY CASE WHEN o.star IS NOT NULL AND NOT f.overtaken THEN 0 ELSE 1 END,
CASE WHEN o.star IS NOT NULL AND NOT f.overtaken THEN -f.batch ELSE f.batch END,
f.released, f.path DESC) AS lake_rank
FROM "dim_design" t JOIN lake_files f ON f.path = t."$path" LEFT JOIN owner o ON o.star = f.star
)
SELECT r."design_id", r."design_name", r."file_location", r."file_name", r.lake_batch FROM ranked r WHERE r.lake_rank = 1;

-- dim_location_current
WITH owner AS (
SELECT star FROM lake_owners WHERE dimension = 'dim_location'
), ranked AS (
SELECT t."location_id", t."address_line_1", t."address_line_2", t."district", t."city", t."postal_code", t."country", t."phone", f.batch AS lake_batch, row_number() OVER (
PARTITION BY t."location_id"
ORDER BY CASE WHEN o.star IS NOT NULL AND NOT f.overtaken THEN 0 ELSE 1 END,
CASE WHEN o.star IS NOT NULL AND NOT f.overtaken THEN -f.batch ELSE f.batch END,
f.released, f.path DESC) AS lake_rank
FROM "dim_location" t JOIN lake_files f ON f.path = t."$path" LEFT JOIN owner o ON o.star = f.star
)
SELECT r."location_id", r."address_line_1", r."address_line_2", r."district", r."city", r."postal_code", r."country", r."phone", r.lake_batch FROM ranked r WHERE r.lake_rank = 1;

-- dim_payment_type_current
WITH owner AS (
SELECT 'payments' AS star
), ranked AS (
SELECT t."payment_type_id", t."payment_type_name", f.batch AS lake_batch, row_number() OVER (
PARTITION BY t."payment_type_id"
ORDER BY CASE WHEN o.star IS NOT NULL AND NOT f.overtaken THEN 0 ELSE 1 END,
CASE WHEN o.star IS NOT NULL AND NOT f.overtaken THEN -f.batch ELSE f.batch END,
f.released, f.path DESC) AS lake_rank
FROM "dim_payment_type" t JOIN lake_files f ON f.path = t."$path" LEFT JOIN owner o ON o.star = f.star
)
SELECT r."payment_type_id", r."payment_type_name", r.lake_batch FROM ranked r WHERE r.lake_rank = 1;

-- dim_staff_current
WITH owner AS (
SELECT star FROM lake_owners WHERE dimension = 'dim_staff'
), ranked AS (
SELECT t."staff_id", t."first_name", t."last_name", t."department_name", t."location", t."email_address", f.batch AS lake_batch, row_number() OVER (
PARTITION BY t."staff_id"
ORDER BY CASE WHEN o.star IS NOT NULL AND NOT f.overtaken THEN 0 ELSE 1 END,
CASE WHEN o.star IS NOT NULL AND NOT f.overtaken THEN -f.batch ELSE f.batch END,
f.released, f.path DESC) AS lake_rank
FROM "dim_staff" t JOIN lake_files f ON f.path = t."$path" LEFT JOIN owner o ON o.star = f.star
)
SELECT r."staff_id", r."first_name", r."last_name", r."department_name", r."location", r."email_address", r.lake_batch FROM ranked r WHERE r.lake_rank = 1;

-- dim_transaction_current
WITH owner AS (
SELECT 'payments' AS star
), ranked AS (
SELECT t."transaction_id", t."transaction_type", t."sales_order_id", t."purchase_order_id", f.batch AS lake_batch, row_number() OVER (
PARTITION BY t."transaction_id"
ORDER BY CASE WHEN o.star IS NOT NULL AND NOT f.overtaken THEN 0 ELSE 1 END,
CASE WHEN o.star IS NOT NULL AND NOT f.overtaken THEN -f.batch ELSE f.batch END,
f.released, f.path DESC) AS lake_rank
FROM "dim_transaction" t JOIN lake_files f ON f.path = t."$path" LEFT JOIN owner o ON o.star = f.star
)
SELECT r."transaction_id", r."transaction_type", r."sales_order_id", r."purchase_order_id", r.lake_batch FROM ranked r WHERE r.lake_rank = 1;

-- fact_payment_current
WITH ranked AS (
SELECT t."payment_id", t."created_date", t."created_time", t."last_updated_date", t."last_updated_time", t."transaction_id", t."counterparty_id", t."payment_amount", t."currency_id", t."payment_type_id", t."paid", t."payment_date", f.observed_batch AS lake_batch, row_number() OVER (
PARTITION BY t."payment_id" ORDER BY f.observed_batch DESC, f.batch DESC, f.path DESC) AS lake_rank
FROM "fact_payment" t JOIN lake_files f ON f.path = t."$path"
), latest AS (
SELECT * FROM ranked WHERE lake_rank = 1
), sets AS (
SELECT batch FROM lake_key_sets WHERE source_table = 'payment'
AND batch <= (SELECT max(batch) FROM lake_batches WHERE star = 'payments')
), living AS (
SELECT f.batch, k."payment_id" FROM "lake_keys_payment" k JOIN lake_key_files f ON f.path = k."$path"
WHERE f.source_table = 'payment'
), gone AS (
SELECT l."payment_id", min(s.batch) AS lake_deleted_in
FROM latest l JOIN sets s ON s.batch > l.lake_batch LEFT JOIN living k ON k.batch = s.batch AND k."payment_id" = l."payment_id"
WHERE k."payment_id" IS NULL GROUP BY l."payment_id"
)
SELECT l."payment_id", l."created_date", lpad(CAST(l."created_time" / 3600000000 AS varchar), 2, '0') || ':' || lpad(CAST(l."created_time" / 60000000 % 60 AS varchar), 2, '0') || ':' || lpad(CAST(l."created_time" / 1000000 % 60 AS varchar), 2, '0') || '.' || lpad(CAST(l."created_time" % 1000000 AS varchar), 6, '0') AS "created_time", l."last_updated_date", lpad(CAST(l."last_updated_time" / 3600000000 AS varchar), 2, '0') || ':' || lpad(CAST(l."last_updated_time" / 60000000 % 60 AS varchar), 2, '0') || ':' || lpad(CAST(l."last_updated_time" / 1000000 % 60 AS varchar), 2, '0') || '.' || lpad(CAST(l."last_updated_time" % 1000000 AS varchar), 6, '0') AS "last_updated_time", l."transaction_id", l."counterparty_id", l."payment_amount", l."currency_id", l."payment_type_id", l."paid", l."payment_date", l.lake_batch FROM latest l LEFT JOIN gone g ON g."payment_id" = l."payment_id" WHERE g.lake_deleted_in IS NULL;

-- fact_payment_deleted
WITH ranked AS (
SELECT t."payment_id", t."created_date", t."created_time", t."last_updated_date", t."last_updated_time", t."transaction_id", t."counterparty_id", t."payment_amount", t."currency_id", t."payment_type_id", t."paid", t."payment_date", f.observed_batch AS lake_batch, row_number() OVER (
PARTITION BY t."payment_id" ORDER BY f.observed_batch DESC, f.batch DESC, f.path DESC) AS lake_rank
FROM "fact_payment" t JOIN lake_files f ON f.path = t."$path"
), latest AS (
SELECT * FROM ranked WHERE lake_rank = 1
), sets AS (
SELECT batch FROM lake_key_sets WHERE source_table = 'payment'
AND batch <= (SELECT max(batch) FROM lake_batches WHERE star = 'payments')
), living AS (
SELECT f.batch, k."payment_id" FROM "lake_keys_payment" k JOIN lake_key_files f ON f.path = k."$path"
WHERE f.source_table = 'payment'
), gone AS (
SELECT l."payment_id", min(s.batch) AS lake_deleted_in
FROM latest l JOIN sets s ON s.batch > l.lake_batch LEFT JOIN living k ON k.batch = s.batch AND k."payment_id" = l."payment_id"
WHERE k."payment_id" IS NULL GROUP BY l."payment_id"
)
SELECT l."payment_id", l."created_date", lpad(CAST(l."created_time" / 3600000000 AS varchar), 2, '0') || ':' || lpad(CAST(l."created_time" / 60000000 % 60 AS varchar), 2, '0') || ':' || lpad(CAST(l."created_time" / 1000000 % 60 AS varchar), 2, '0') || '.' || lpad(CAST(l."created_time" % 1000000 AS varchar), 6, '0') AS "created_time", l."last_updated_date", lpad(CAST(l."last_updated_time" / 3600000000 AS varchar), 2, '0') || ':' || lpad(CAST(l."last_updated_time" / 60000000 % 60 AS varchar), 2, '0') || ':' || lpad(CAST(l."last_updated_time" / 1000000 % 60 AS varchar), 2, '0') || '.' || lpad(CAST(l."last_updated_time" % 1000000 AS varchar), 6, '0') AS "last_updated_time", l."transaction_id", l."counterparty_id", l."payment_amount", l."currency_id", l."payment_type_id", l."paid", l."payment_date", l.lake_batch, g.lake_deleted_in FROM latest l JOIN gone g ON g."payment_id" = l."payment_id";

-- fact_purchase_order_current
WITH ranked AS (
SELECT t."purchase_order_id", t."created_date", t."created_time", t."last_updated_date", t."last_updated_time", t."staff_id", t."counterparty_id", t."item_code", t."item_quantity", t."item_unit_price", t."currency_id", t."agreed_delivery_date", t."agreed_payment_date", t."agreed_delivery_location_id", f.observed_batch AS lake_batch, row_number() OVER (
PARTITION BY t."purchase_order_id" ORDER BY f.observed_batch DESC, f.batch DESC, f.path DESC) AS lake_rank
FROM "fact_purchase_order" t JOIN lake_files f ON f.path = t."$path"
), latest AS (
SELECT * FROM ranked WHERE lake_rank = 1
), sets AS (
SELECT batch FROM lake_key_sets WHERE source_table = 'purchase_order'
AND batch <= (SELECT max(batch) FROM lake_batches WHERE star = 'purchases')
), living AS (
SELECT f.batch, k."purchase_order_id" FROM "lake_keys_purchase_order" k JOIN lake_key_files f ON f.path = k."$path"
WHERE f.source_table = 'purchase_order'
), gone AS (
SELECT l."purchase_order_id", min(s.batch) AS lake_deleted_in
FROM latest l JOIN sets s ON s.batch > l.lake_batch LEFT JOIN living k ON k.batch = s.batch AND k."purchase_order_id" = l."purchase_order_id"
WHERE k."purchase_order_id" IS NULL GROUP BY l."purchase_order_id"
)
SELECT l."purchase_order_id", l."created_date", lpad(CAST(l."created_time" / 3600000000 AS varchar), 2, '0') || ':' || lpad(CAST(l."created_time" / 60000000 % 60 AS varchar), 2, '0') || ':' || lpad(CAST(l."created_time" / 1000000 % 60 AS varchar), 2, '0') || '.' || lpad(CAST(l."created_time" % 1000000 AS varchar), 6, '0') AS "created_time", l."last_updated_date", lpad(CAST(l."last_updated_time" / 3600000000 AS varchar), 2, '0') || ':' || lpad(CAST(l."last_updated_time" / 60000000 % 60 AS varchar), 2, '0') || ':' || lpad(CAST(l."last_updated_time" / 1000000 % 60 AS varchar), 2, '0') || '.' || lpad(CAST(l."last_updated_time" % 1000000 AS varchar), 6, '0') AS "last_updated_time", l."staff_id", l."counterparty_id", l."item_code", l."item_quantity", l."item_unit_price", l."currency_id", l."agreed_delivery_date", l."agreed_payment_date", l."agreed_delivery_location_id", l.lake_batch FROM latest l LEFT JOIN gone g ON g."purchase_order_id" = l."purchase_order_id" WHERE g.lake_deleted_in IS NULL;

-- fact_purchase_order_deleted
WITH ranked AS (
SELECT t."purchase_order_id", t."created_date", t."created_time", t."last_updated_date", t."last_updated_time", t."staff_id", t."counterparty_id", t."item_code", t."item_quantity", t."item_unit_price", t."currency_id", t."agreed_delivery_date", t."agreed_payment_date", t."agreed_delivery_location_id", f.observed_batch AS lake_batch, row_number() OVER (
PARTITION BY t."purchase_order_id" ORDER BY f.observed_batch DESC, f.batch DESC, f.path DESC) AS lake_rank
FROM "fact_purchase_order" t JOIN lake_files f ON f.path = t."$path"
), latest AS (
SELECT * FROM ranked WHERE lake_rank = 1
), sets AS (
SELECT batch FROM lake_key_sets WHERE source_table = 'purchase_order'
AND batch <= (SELECT max(batch) FROM lake_batches WHERE star = 'purchases')
), living AS (
SELECT f.batch, k."purchase_order_id" FROM "lake_keys_purchase_order" k JOIN lake_key_files f ON f.path = k."$path"
WHERE f.source_table = 'purchase_order'
), gone AS (
SELECT l."purchase_order_id", min(s.batch) AS lake_deleted_in
FROM latest l JOIN sets s ON s.batch > l.lake_batch LEFT JOIN living k ON k.batch = s.batch AND k."purchase_order_id" = l."purchase_order_id"
WHERE k."purchase_order_id" IS NULL GROUP BY l."purchase_order_id"
)
SELECT l."purchase_order_id", l."created_date", lpad(CAST(l."created_time" / 3600000000 AS varchar), 2, '0') || ':' || lpad(CAST(l."created_time" / 60000000 % 60 AS varchar), 2, '0') || ':' || lpad(CAST(l."created_time" / 1000000 % 60 AS varchar), 2, '0') || '.' || lpad(CAST(l."created_time" % 1000000 AS varchar), 6, '0') AS "created_time", l."last_updated_date", lpad(CAST(l."last_updated_time" / 3600000000 AS varchar), 2, '0') || ':' || lpad(CAST(l."last_updated_time" / 60000000 % 60 AS varchar), 2, '0') || ':' || lpad(CAST(l."last_updated_time" / 1000000 % 60 AS varchar), 2, '0') || '.' || lpad(CAST(l."last_updated_time" % 1000000 AS varchar), 6, '0') AS "last_updated_time", l."staff_id", l."counterparty_id", l."item_code", l."item_quantity", l."item_unit_price", l."currency_id", l."agreed_delivery_date", l."agreed_payment_date", l."agreed_delivery_location_id", l.lake_batch, g.lake_deleted_in FROM latest l JOIN gone g ON g."purchase_order_id" = l."purchase_order_id";

-- fact_sales_order_current
WITH ranked AS (
SELECT t."sales_order_id", t."created_date", t."created_time", t."last_updated_date", t."last_updated_time", t."sales_staff_id", t."counterparty_id", t."units_sold", t."unit_price", t."currency_id", t."design_id", t."agreed_payment_date", t."agreed_delivery_date", t."agreed_delivery_location_id", f.observed_batch AS lake_batch, row_number() OVER (
PARTITION BY t."sales_order_id" ORDER BY f.observed_batch DESC, f.batch DESC, f.path DESC) AS lake_rank
FROM "fact_sales_order" t JOIN lake_files f ON f.path = t."$path"
), latest AS (
SELECT * FROM ranked WHERE lake_rank = 1
), sets AS (
SELECT batch FROM lake_key_sets WHERE source_table = 'sales_order'
AND batch <= (SELECT max(batch) FROM lake_batches WHERE star = 'sales')
), living AS (
SELECT f.batch, k."sales_order_id" FROM "lake_keys_sales_order" k JOIN lake_key_files f ON f.path = k."$path"
WHERE f.source_table = 'sales_order'
), gone AS (
SELECT l."sales_order_id", min(s.batch) AS lake_deleted_in
FROM latest l JOIN sets s ON s.batch > l.lake_batch LEFT JOIN living k ON k.batch = s.batch AND k."sales_order_id" = l."sales_order_id"
WHERE k."sales_order_id" IS NULL GROUP BY l."sales_order_id"
)
SELECT l."sales_order_id", l."created_date", lpad(CAST(l."created_time" / 3600000000 AS varchar), 2, '0') || ':' || lpad(CAST(l."created_time" / 60000000 % 60 AS varchar), 2, '0') || ':' || lpad(CAST(l."created_time" / 1000000 % 60 AS varchar), 2, '0') || '.' || lpad(CAST(l."created_time" % 1000000 AS varchar), 6, '0') AS "created_time", l."last_updated_date", lpad(CAST(l."last_updated_time" / 3600000000 AS varchar), 2, '0') || ':' || lpad(CAST(l."last_updated_time" / 60000000 % 60 AS varchar), 2, '0') || ':' || lpad(CAST(l."last_updated_time" / 1000000 % 60 AS varchar), 2, '0') || '.' || lpad(CAST(l."last_updated_time" % 1000000 AS varchar), 6, '0') AS "last_updated_time", l."sales_staff_id", l."counterparty_id", l."units_sold", l."unit_price", l."currency_id", l."design_id", l."agreed_payment_date", l."agreed_delivery_date", l."agreed_delivery_location_id", l.lake_batch FROM latest l LEFT JOIN gone g ON g."sales_order_id" = l."sales_order_id" WHERE g.lake_deleted_in IS NULL;

-- fact_sales_order_deleted
WITH ranked AS (
SELECT t."sales_order_id", t."created_date", t."created_time", t."last_updated_date", t."last_updated_time", t."sales_staff_id", t."counterparty_id", t."units_sold", t."unit_price", t."currency_id", t."design_id", t."agreed_payment_date", t."agreed_delivery_date", t."agreed_delivery_location_id", f.observed_batch AS lake_batch, row_number() OVER (
PARTITION BY t."sales_order_id" ORDER BY f.observed_batch DESC, f.batch DESC, f.path DESC) AS lake_rank
FROM "fact_sales_order" t JOIN lake_files f ON f.path = t."$path"
), latest AS (
SELECT * FROM ranked WHERE lake_rank = 1
), sets AS (
SELECT batch FROM lake_key_sets WHERE source_table = 'sales_order'
AND batch <= (SELECT max(batch) FROM lake_batches WHERE star = 'sales')
), living AS (
SELECT f.batch, k."sales_order_id" FROM "lake_keys_sales_order" k JOIN lake_key_files f ON f.path = k."$path"
WHERE f.source_table = 'sales_order'
), gone AS (
SELECT l."sales_order_id", min(s.batch) AS lake_deleted_in
FROM latest l JOIN sets s ON s.batch > l.lake_batch LEFT JOIN living k ON k.batch = s.batch AND k."sales_order_id" = l."sales_order_id"
WHERE k."sales_order_id" IS NULL GROUP BY l."sales_order_id"
)
SELECT l."sales_order_id", l."created_date", lpad(CAST(l."created_time" / 3600000000 AS varchar), 2, '0') || ':' || lpad(CAST(l."created_time" / 60000000 % 60 AS varchar), 2, '0') || ':' || lpad(CAST(l."created_time" / 1000000 % 60 AS varchar), 2, '0') || '.' || lpad(CAST(l."created_time" % 1000000 AS varchar), 6, '0') AS "created_time", l."last_updated_date", lpad(CAST(l."last_updated_time" / 3600000000 AS varchar), 2, '0') || ':' || lpad(CAST(l."last_updated_time" / 60000000 % 60 AS varchar), 2, '0') || ':' || lpad(CAST(l."last_updated_time" / 1000000 % 60 AS varchar), 2, '0') || '.' || lpad(CAST(l."last_updated_time" % 1000000 AS varchar), 6, '0') AS "last_updated_time", l."sales_staff_id", l."counterparty_id", l."units_sold", l."unit_price", l."currency_id", l."design_id", l."agreed_payment_date", l."agreed_delivery_date", l."agreed_delivery_location_id", l.lake_batch, g.lake_deleted_in FROM latest l JOIN gone g ON g."sales_order_id" = l."sales_order_id";

-- lake_batches
WITH live AS (
SELECT owners, generations FROM lake_catalog
WHERE CAST(number AS bigint) = (SELECT max(CAST(number AS bigint)) FROM lake_catalog)
), generation AS (
SELECT g.star, CAST(n.number AS bigint) AS number, CAST(n.first_batch AS bigint) AS first_batch
FROM live CROSS JOIN UNNEST(generations) AS g(star, numbers) CROSS JOIN UNNEST(g.numbers) AS n(number, first_batch)
UNION ALL
SELECT g.star, 0, 0 FROM live CROSS JOIN UNNEST(generations) AS g(star, numbers)
), counting AS (
SELECT star, number, first_batch, min(first_batch) OVER (
PARTITION BY star ORDER BY number ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS next_batch
FROM generation
), transformed AS (
SELECT star, CAST(batch AS bigint) AS batch, coalesce(CAST(generation AS bigint), 0) AS number, outputs, released
FROM lake_transformations WHERE outputs IS NOT NULL
), counted AS (
SELECT t.star, t.batch, t.outputs, t.released
FROM transformed t LEFT JOIN counting c ON c.star = t.star AND c.number = t.number
WHERE CASE WHEN c.number IS NULL THEN t.number = 0
ELSE t.batch >= c.first_batch AND (c.next_batch IS NULL OR t.batch < c.next_batch) END
)
SELECT star, batch FROM counted;

-- lake_files
WITH live AS (
SELECT owners, generations FROM lake_catalog
WHERE CAST(number AS bigint) = (SELECT max(CAST(number AS bigint)) FROM lake_catalog)
), generation AS (
SELECT g.star, CAST(n.number AS bigint) AS number, CAST(n.first_batch AS bigint) AS first_batch
FROM live CROSS JOIN UNNEST(generations) AS g(star, numbers) CROSS JOIN UNNEST(g.numbers) AS n(number, first_batch)
UNION ALL
SELECT g.star, 0, 0 FROM live CROSS JOIN UNNEST(generations) AS g(star, numbers)
), counting AS (
SELECT star, number, first_batch, min(first_batch) OVER (
PARTITION BY star ORDER BY number ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS next_batch
FROM generation
), transformed AS (
SELECT star, CAST(batch AS bigint) AS batch, coalesce(CAST(generation AS bigint), 0) AS number, outputs, released
FROM lake_transformations WHERE outputs IS NOT NULL
), counted AS (
SELECT t.star, t.batch, t.outputs, t.released
FROM transformed t LEFT JOIN counting c ON c.star = t.star AND c.number = t.number
WHERE CASE WHEN c.number IS NULL THEN t.number = 0
ELSE t.batch >= c.first_batch AND (c.next_batch IS NULL OR t.batch < c.next_batch) END
)
SELECT 's3://acme-totesys-transformed-data/' || f.key AS path, c.star, c.batch, c.batch AS observed_batch, false AS released, false AS overtaken
FROM counted c CROSS JOIN UNNEST(c.outputs) AS o(files) CROSS JOIN UNNEST(o.files) AS f(key)
UNION ALL
SELECT 's3://acme-totesys-transformed-data/' || f.key, c.star, c.batch, CAST(r.observed_batch AS bigint), true, coalesce(r.overtaken, false)
FROM counted c CROSS JOIN UNNEST(c.released) AS r(observed_batch, overtaken, outputs)
CROSS JOIN UNNEST(r.outputs) AS o(files) CROSS JOIN UNNEST(o.files) AS f(key);

-- lake_key_files
SELECT s.source_table, s.batch, 's3://acme-totesys-ingestion/' || f.key AS path
FROM (SELECT t.source_table, CAST(m.batch AS bigint) AS batch, t.entry.keys AS keys
FROM lake_manifests m CROSS JOIN UNNEST(m.tables) AS t(source_table, entry)
WHERE t.entry.changed AND t.entry.keys IS NOT NULL) s CROSS JOIN UNNEST(s.keys.files) AS f(key);

-- lake_key_sets
SELECT s.source_table, s.batch, CAST(s.keys.rows AS bigint) AS keys FROM (SELECT t.source_table, CAST(m.batch AS bigint) AS batch, t.entry.keys AS keys
FROM lake_manifests m CROSS JOIN UNNEST(m.tables) AS t(source_table, entry)
WHERE t.entry.changed AND t.entry.keys IS NOT NULL) s;

-- lake_owners
WITH live AS (
SELECT owners, generations FROM lake_catalog
WHERE CAST(number AS bigint) = (SELECT max(CAST(number AS bigint)) FROM lake_catalog)
)
SELECT o.dimension, o.star FROM live CROSS JOIN UNNEST(owners) AS o(dimension, star);

