-- The shop that the demo's cast works in. Run once, as the server's superuser, in an empty database.
\set ON_ERROR_STOP on
\set QUIET on

create role app login;
create role billing login;
create role migration login;
create role report login;

-- What the README says a DBA's own role needs, and no more.
create role dba login;
grant pg_monitor, pg_signal_backend to dba;

create database shop owner migration;
\connect shop
grant usage, create on schema public to migration;

set role migration;

create table customers (
	id int primary key,
	name text not null,
	email text not null,
	region text not null
);
insert into customers
select n, 'customer ' || n, 'customer' || n || '@example.com', (array['north', 'east', 'south', 'west'])[1 + n % 4]
from generate_series(1, 500) n;

create table orders (
	id int primary key,
	customer_id int not null references customers,
	status text not null default 'new',
	total numeric(10, 2) not null,
	picked_by text,
	updated_at timestamptz not null default now()
);
insert into orders (id, customer_id, total)
select n, 1 + n % 500, 10 + n % 90 from generate_series(1, 5000) n;
create index on orders (customer_id);

create table stock (
	sku text primary key,
	on_hand int not null,
	reserved int not null default 0
);
insert into stock (sku, on_hand) select 'KB-' || lpad(n::text, 3, '0'), 1000 from generate_series(1, 200) n;

create table accounts (
	id int primary key,
	owner text not null,
	balance numeric(12, 2) not null
);
insert into accounts select n, 'customer ' || n, 1000 from generate_series(1, 20) n;

create table events (
	at timestamptz not null,
	kind text not null,
	payload jsonb not null
);
insert into events
select now() - n * interval '3 s', 'page_view', jsonb_build_object('page', n % 40, 'ms', n % 900)
from generate_series(1, 20000) n;

-- Work that takes its time without keeping a processor busy.
create function forecast(region text, seconds float) returns numeric language sql volatile
	as $$ select pg_sleep(seconds); select 100.0 $$;
create function import_feed(supplier text, seconds float) returns int language sql volatile
	as $$ select pg_sleep(seconds); select 240 $$;

grant select on all tables in schema public to report;
grant select, insert, update, delete on all tables in schema public to app;
grant select, update on accounts to billing;
reset role;
vacuum analyze;
