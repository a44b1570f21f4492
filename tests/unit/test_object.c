/* Names of locked objects one by one; how they stand in the tree is in tests/cases/. */
#include "situation.h"

#include "pglocktop/object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char world[] = "relation 1 16389 r orders\nrelation 1 16390 i orders_pkey orders\n"
			    "relation 1 16391 t pg_toast_16389 orders\nrelation 1 16392 S orders_id_seq\n"
			    "relation 0 1262 r pg_database\nsession 1\nsession 2 database=crm\n";

static void check_name(const char *tag, const char *expected)
{
	struct strbuf text = STRBUF_INIT, name = STRBUF_INIT;
	strbuf_printf(&text, "%slock 1 Share held %s\n", world, tag);
	struct situation situation = situation_must_read(text.text);
	object_describe(situation.frame->snapshot, &situation.frame->snapshot->locks[0].tag, &name);
	assert_string_equal(name.text, expected);
	strbuf_release(&name);
	strbuf_release(&text);
	situation_release(&situation);
}

static void test_relations(void **state)
{
	(void)state;
	check_name("relation db=1 rel=16389", "table orders");
	check_name("relation db=1 rel=16390", "index orders_pkey");
	check_name("relation db=1 rel=16391", "toast table of orders");
	check_name("relation db=1 rel=16392", "sequence orders_id_seq");
	check_name("relation db=0 rel=1262", "table pg_database");
	check_name("relation db=1 rel=7", "rel 7");
	check_name("relation db=2 rel=16389", "crm:16389");
	check_name("relation db=3 rel=16389", "3:16389");
	check_name("tuple db=1 rel=16389 page=0 tuple=6", "row orders (0,6)");
	check_name("tuple db=2 rel=16389 page=4294967295 tuple=65535", "row crm:16389 (4294967295,65535)");
	check_name("page db=1 rel=16390 page=4294967295", "page orders_pkey (4294967295)");
	check_name("extend db=1 rel=16391", "extension of toast of orders");
}

static void test_transactions(void **state)
{
	(void)state;
	check_name("transactionid xid=4294967295", "xid 4294967295");
	check_name("virtualxid vxid=5/87", "virtualxid 5/87");
	check_name("spectoken db=4711 classid=2 objid=0 objsubid=0", "speculative insertion, xid 4711");
	check_name("\"speculative token\" db=4711 classid=2", "speculative insertion, xid 4711");
	check_name("spectoken xid=4711 objid=2", "speculative insertion, xid 4711");
	check_name("applytransaction db=1 objid=16500 xid=77 objsubid=0", "apply of xid 77, subscription 16500");
}

static void test_advisory(void **state)
{
	(void)state;
	check_name("advisory db=1 classid=0 objid=42 objsubid=1", "advisory 42");
	check_name("advisory db=1 classid=1 objid=0 objsubid=1", "advisory 4294967296");
	check_name("advisory db=1 classid=4294967295 objid=4294967295 objsubid=1", "advisory -1");
	check_name("advisory db=1 classid=1 objid=4294967294 objsubid=2", "advisory (1,-2)");
	check_name("advisory db=2 classid=0 objid=42 objsubid=1", "advisory 42 in crm");
}

static void test_others(void **state)
{
	(void)state;
	check_name("object db=1 classid=2615 objid=2200 objsubid=0", "schema 2200");
	check_name("object db=0 classid=1262 objid=2 objsubid=0", "database crm");
	check_name("object db=1 classid=1259 objid=16389 objsubid=3", "object 1259.16389.3");
	check_name("frozenid db=2", "frozen ids of the database in crm");
	check_name("userlock db=1 classid=5 objid=6 objsubid=0", "userlock database 1 classid 5 objid 6 objsubid 0");
	check_name("galaxy vxid=9/9 page=4", "galaxy 9/9 page 4");
	check_name("galaxy", "galaxy");
}

/* One who waits for a row's owner waits for the row whose tuple lock it holds; another's tuple lock is not taken. */
static void test_object_of_wait(void **state)
{
	(void)state;
	struct situation situation = situation_must_read("lock 1 Exclusive held transactionid xid=1\n"
							 "lock 2 Exclusive held tuple db=1 rel=16389 page=0 tuple=6\n"
							 "lock 2 Share waits=2s transactionid xid=1\n"
							 "lock 3 Share waits=1s transactionid xid=1\n"
							 "lock 4 Exclusive held tuple db=1 rel=16389 page=0 tuple=7\n"
							 "lock 5 Exclusive held relation db=1 rel=16389\n"
							 "lock 4 Share waits=1s relation db=1 rel=16389\n");
	const struct graph *graph = situation.frame->graph;
	const struct graph_node *nodes = graph->nodes;
	const struct locktag *tag = object_of_wait(graph, nodes[graph_find_pid(graph, 2)].principal_wait);
	assert_int_equal(tag->kind, LOCKTAG_TUPLE);
	assert_int_equal(tag->tuple, 6);
	tag = object_of_wait(graph, nodes[graph_find_pid(graph, 3)].principal_wait);
	assert_int_equal(tag->kind, LOCKTAG_TRANSACTIONID);
	tag = object_of_wait(graph, nodes[graph_find_pid(graph, 4)].principal_wait);
	assert_int_equal(tag->kind, LOCKTAG_RELATION);
	situation_release(&situation);
}

static void test_signs(void **state)
{
	(void)state;
	struct situation situation = situation_must_read("lock 1 Exclusive held transactionid xid=1\n"
							 "lock 2 Share waits=2s transactionid xid=1\n");
	const struct graph *graph = situation.frame->graph;
	struct strbuf text = STRBUF_INIT;
	object_describe_node(graph, graph_find_pid(graph, 1), false, &text);
	assert_string_equal(text.text, "● xid 1");
	strbuf_reset(&text);
	object_describe_node(graph, graph_find_pid(graph, 2), false, &text);
	assert_string_equal(text.text, "→ xid 1");
	strbuf_reset(&text);
	object_describe_node(graph, graph_find_pid(graph, 1), true, &text);
	object_describe_node(graph, graph_find_pid(graph, 2), true, &text);
	assert_string_equal(text.text, "* xid 1> xid 1");
	strbuf_release(&text);
	situation_release(&situation);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_relations),      cmocka_unit_test(test_transactions),
		cmocka_unit_test(test_advisory),       cmocka_unit_test(test_others),
		cmocka_unit_test(test_object_of_wait), cmocka_unit_test(test_signs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
