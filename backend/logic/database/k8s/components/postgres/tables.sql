-- Two tables to try the logic `database` with; the PostgreSQL image runs this once, on an empty volume.
CREATE TABLE customers (
    id integer PRIMARY KEY,
    name text NOT NULL,
    country_code text NOT NULL
);
CREATE TABLE orders (
    id integer PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES customers,
    price numeric(10, 2) NOT NULL,
    ordered_at timestamp with time zone NOT NULL,
    paid boolean
);
INSERT INTO customers
SELECT n, 'Customer ' || n, (ARRAY['DE', 'FR', 'IT', 'PL'])[1 + n % 4]
FROM generate_series(1, 100) AS n;
INSERT INTO orders
SELECT n, 1 + n % 100, n % 977 + 0.99, timestamptz '2026-01-01 00:00Z' + n * interval '1 hour', NULLIF(n % 3, 0) = 1
FROM generate_series(1, 5000) AS n;
CREATE INDEX ON orders (customer_id);
