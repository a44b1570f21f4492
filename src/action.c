#include "pglocktop/action.h"

const struct action_row action_rows[ACTION_COUNT] = {
#define ACTION_ROW(id, group, name, help) [ACTION_##id] = { name, help, ACTION_GROUP_##group },
	ACTION_TABLE(ACTION_ROW)
#undef ACTION_ROW
};

const char *const action_group_titles[ACTION_GROUP_COUNT] = {
#define GROUP_ROW(id, title) [ACTION_GROUP_##id] = title,
	ACTION_GROUP_TABLE(GROUP_ROW)
#undef GROUP_ROW
};
