/* scenes.c - the parts: a small web shop, its routine, and its accidents. */
#include "cast.h"

/* The jam: checkout holds order 42 and goes idle, workers pile up on the row, and then a migration wants the table. */
#define JAM 64000

static const struct step checkout[] = {
	{ 500, "begin" },
	{ 600, "select id, status, total from orders where id = 42 for update" },
	{ 700, "update orders set status = 'paid', updated_at = now() where id = 42" },
	{ 44000, "commit" },
	{ 0, NULL },
};

static const struct step migration[] = {
	{ 9000, "alter table orders add constraint orders_total_sane check (total >= 0) not valid" },
	{ 50000, "alter table orders drop constraint if exists orders_total_sane" },
	{ 0, NULL },
};

static const struct step revenue[] = {
	{ 3000, "select c.region, sum(o.total) as revenue, forecast(c.region, 7) as next_quarter "
		"from orders o join customers c on c.id = o.customer_id group by c.region order by c.region" },
	{ 0, NULL },
};

static const struct step reindex[] = {
	{ 11000, "drop index if exists customers_email_idx" },
	{ 11200, "create index concurrently customers_email_idx on customers (lower(email))" },
	{ 0, NULL },
};

#define WORKER(name)                                                                                                   \
	{ 1500, "update orders set status = 'packed', picked_by = '" name "', updated_at = now() where id = 42" },     \
		{ 600, "update stock set reserved = reserved + 1 where sku = 'KB-012'" },                              \
	{                                                                                                              \
		0, NULL                                                                                                \
	}

static const struct step worker_1[] = { WORKER("worker-1") };
static const struct step worker_2[] = { WORKER("worker-2") };
static const struct step worker_3[] = { WORKER("worker-3") };
static const struct step worker_4[] = { WORKER("worker-4") };

static const struct step web[] = {
	{ 1200, "select id, status, total from orders where customer_id = 17 order by id desc limit 20" },
	{ 400, "select sku, on_hand - reserved as free from stock where sku = 'KB-012'" },
	{ 0, NULL },
};

/* The deadlock: two transfers between the same accounts, the other way round. */
#define TRANSFER 30000

static const struct step billing_1[] = {
	{ 4000, "begin" },
	{ 4100, "update accounts set balance = balance - 25.00 where id = 1" },
	{ 5200, "update accounts set balance = balance + 25.00 where id = 2" },
	{ 5300, "commit" },
	{ 0, NULL },
};

static const struct step billing_2[] = {
	{ 4000, "begin" },
	{ 4300, "update accounts set balance = balance - 9.90 where id = 2" },
	{ 5900, "update accounts set balance = balance + 9.90 where id = 1" },
	{ 6000, "commit" },
	{ 0, NULL },
};

static const struct step statement[] = {
	{ 8000, "select balance from accounts where id = 1 for update" },
	{ 0, NULL },
};

/* Advisory locks: one import at a time. */
#define IMPORT 50000

static const struct step import_1[] = {
	{ 2000, "select pg_advisory_lock(20, 1)" },
	{ 2100, "select import_feed('supplier-a', 24)" },
	{ 2200, "select pg_advisory_unlock(20, 1)" },
	{ 0, NULL },
};

static const struct step import_2[] = {
	{ 5000, "select pg_advisory_lock(20, 1)" },
	{ 5100, "select import_feed('supplier-b', 5)" },
	{ 5200, "select pg_advisory_unlock(20, 1)" },
	{ 0, NULL },
};

static const struct step import_3[] = {
	{ 7000, "select pg_advisory_lock(20, 1)" },
	{ 7100, "select import_feed('supplier-c', 3)" },
	{ 7200, "select pg_advisory_unlock(20, 1)" },
	{ 0, NULL },
};

/* A prepared transaction: its session has gone on, its locks stay. */
#define PAYMENT 60000

static const struct step payment[] = {
	{ 13000, "begin" },
	{ 13100, "update stock set reserved = reserved + 1 where sku = 'KB-077'" },
	{ 13200, "prepare transaction 'order-77'" },
	{ 40000, "commit prepared 'order-77'" },
	{ 0, NULL },
};

static const struct step shipping_1[] = {
	{ 15000, "update stock set on_hand = on_hand - 1 where sku = 'KB-077'" },
	{ 0, NULL },
};

static const struct step shipping_2[] = {
	{ 18000, "update stock set on_hand = on_hand - 3 where sku = 'KB-077'" },
	{ 0, NULL },
};

/* Routine. */
static const struct step dashboard[] = {
	{ 9000, "select date_trunc('minute', at) as minute, count(*), avg((payload->>'ms')::int) from events "
		"group by 1 order by 1 desc limit 60" },
	{ 0, NULL },
};

static const struct step analyst[] = {
	{ 1000, "begin" },
	{ 1100, "select kind, count(*), max(at) from events group by kind" },
	{ 41000, "commit" },
	{ 0, NULL },
};

static const struct step pool[] = {
	{ 12000, "select name, email from customers where id = 31" },
	{ 0, NULL },
};

const struct part cast_parts[] = {
	{ "checkout", "app", JAM, false, NULL, checkout },
	{ "migration", "migration", JAM, false, NULL, migration },
	{ "revenue", "report", JAM, true, NULL, revenue },
	{ "reindex", "migration", JAM, false, NULL, reindex },
	{ "worker-1", "app", 0, false, NULL, worker_1 },
	{ "worker-2", "app", 0, false, NULL, worker_2 },
	{ "worker-3", "app", 0, false, NULL, worker_3 },
	{ "worker-4", "app", 0, false, NULL, worker_4 },
	{ "web-1", "app", 0, true, NULL, web },
	{ "web-2", "app", 0, true, NULL, web },
	{ "web-3", "app", 0, true, NULL, web },
	{ "web-4", "app", 0, true, NULL, web },
	{ "web-5", "app", 0, true, NULL, web },
	{ "web-6", "app", 0, true, NULL, web },
	{ "web-7", "app", 0, true, NULL, web },
	{ "web-8", "app", 0, true, NULL, web },
	{ "web-9", "app", 0, true, NULL, web },
	{ "web-10", "app", 0, true, NULL, web },
	{ "web-11", "app", 0, true, NULL, web },
	{ "web-12", "app", 0, true, NULL, web },
	{ "billing-1", "billing", TRANSFER, false, NULL, billing_1 },
	{ "billing-2", "billing", TRANSFER, false, NULL, billing_2 },
	{ "statement", "billing", TRANSFER, false, NULL, statement },
	{ "import-1", "report", IMPORT, false, NULL, import_1 },
	{ "import-2", "report", IMPORT, false, NULL, import_2 },
	{ "import-3", "report", IMPORT, false, NULL, import_3 },
	{ "payment", "app", PAYMENT, false, "rollback prepared 'order-77'", payment },
	{ "shipping-1", "app", PAYMENT, false, NULL, shipping_1 },
	{ "shipping-2", "app", PAYMENT, false, NULL, shipping_2 },
	{ "analyst", "report", 50000, true, NULL, analyst },
	{ "dashboard", "report", 0, true, NULL, dashboard },
	{ "pool-1", "app", 0, true, NULL, pool },
	{ "pool-2", "app", 0, true, NULL, pool },
	{ "pool-3", "app", 0, true, NULL, pool },
};
const size_t cast_part_count = sizeof(cast_parts) / sizeof(cast_parts[0]);
