/* onnx_file.c - ONNX files to graphs and back: the one place that knows protobuf-c.
 *
 *     ModelProto ─┬─ opset_import, metadata_props            numbers of a tensor, one of
 *                 └─ GraphProto ─┬─ initializer (TensorProto)    raw_data       little-endian bytes
 *                                ├─ input, output                float_data …   a list of its type
 *                                └─ node (NodeProto) ─ attribute
 *
 * protobuf-c allocates from the graph's arena and frees nothing, so the arena's cap bounds whatever a file unpacks to. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/onnx.h"
#include "api/safetensors.h"
#include <onnx.pb-c.h>

#define DOCUMENT      "gatecast"
#define IR_VERSION    8               /* of opset 17 */
#define EXTERNAL      1               /* TensorProto.data_location */
#define WHOLE_EXACT   (1 << 24)
#define WHOLE_MOST    2147483648.0f

/* --- the arena as protobuf-c's memory ------------------------------------------------------------------------------- */

struct memory { struct arena *arena; bool full; };

static void *memory_take(void *data, size_t size)
{
	struct memory *m = data;
	void *p = arena_alloc(m->arena, size);
	m->full |= !p;
	return p;
}

static void memory_keep(void *data, void *p)
{
	(void)data;
	(void)p;
}

static enum err too_large(const struct arena *a, struct error *e)
{
	return fail(e, ERR_TOO_LARGE, "file", "the graph takes more than %zu bytes of memory", a->cap);
}

/* What could not be unpacked was too large, or no such message at all. */
static enum err unpack_failed(const struct memory *m, size_t len, struct error *e)
{
	return m->full ? too_large(m->arena, e) : fail(e, ERR_SYNTAX, "file", "the %zu bytes are no ONNX file", len);
}

/* Zeroed room for count things of that size, or ERR_TOO_LARGE. */
static enum err take(struct arena *a, size_t count, size_t size, void *out, struct error *e)
{
	void *p = arena_calloc(a, count, size);
	if (!p)
		return too_large(a, e);
	memcpy(out, &p, sizeof p);
	return ERR_OK;
}

static const char *text_or_empty(const char *s)
{
	return s ? s : "";
}

static enum err copy_text(struct arena *a, const ProtobufCBinaryData *s, const char **out, struct error *e)
{
	char *copy = arena_strndup(a, s->data ? (const char *)s->data : "", s->len);
	if (!copy)
		return too_large(a, e);
	*out = copy;
	return ERR_OK;
}

/* --- tensors -------------------------------------------------------------------------------------------------------- */

/* False for a whole number that no float is, unless it is far beyond every index. */
static bool whole_to_float(int64_t v, float *out)
{
	*out = v >= INT32_MAX ? WHOLE_MOST : v <= INT32_MIN ? -WHOLE_MOST : (float)v;
	return fabsf(*out) >= WHOLE_MOST || (v <= WHOLE_EXACT && v >= -WHOLE_EXACT);
}

static int64_t whole_from_raw(enum onnx_type type, const unsigned char *p)
{
	uint64_t v = 0;
	int size = type == ONNX_INT64 ? 8 : type == ONNX_INT32 ? 4 : 1;
	for (int i = 0; i < size; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return type == ONNX_INT32 ? (int32_t)v : type == ONNX_INT8 ? (int8_t)v : (int64_t)v;
}

/* How numbers of a type come: in raw bytes of that size, or in the list. */
enum list { LIST_FLOAT, LIST_INT32, LIST_INT64, LIST_DOUBLE, LIST_NONE };
static const struct {
	enum onnx_type type;
	size_t size;
	bool whole;
	enum number_type number;
	enum list list;
} number_kinds[] = {
	{ ONNX_FLOAT, 4, false, NUMBER_F32, LIST_FLOAT },    { ONNX_DOUBLE, 8, false, NUMBER_F64, LIST_DOUBLE },
	{ ONNX_FLOAT16, 2, false, NUMBER_F16, LIST_NONE },   { ONNX_BFLOAT16, 2, false, NUMBER_BF16, LIST_NONE },
	{ ONNX_INT64, 8, true, 0, LIST_INT64 },              { ONNX_INT32, 4, true, 0, LIST_INT32 },
	{ ONNX_BOOL, 1, true, 0, LIST_INT32 },               { ONNX_UINT8, 1, true, 0, LIST_INT32 },
	{ ONNX_INT8, 1, true, 0, LIST_INT32 },
};
#define NUMBER_KINDS ((int)(sizeof number_kinds / sizeof *number_kinds))

static size_t list_length(const Onnx__TensorProto *p, enum list list)
{
	switch (list) {
	case LIST_FLOAT:  return p->n_float_data;
	case LIST_INT32:  return p->n_int32_data;
	case LIST_INT64:  return p->n_int64_data;
	case LIST_DOUBLE: return p->n_double_data;
	case LIST_NONE:   break;
	}
	return 0;
}

static bool list_number(const Onnx__TensorProto *p, enum list list, size_t i, float *out)
{
	if (list == LIST_INT32 || list == LIST_INT64)
		return whole_to_float(list == LIST_INT32 ? p->int32_data[i] : p->int64_data[i], out);
	*out = list == LIST_DOUBLE ? (float)p->double_data[i] : p->float_data[i];
	return true;
}

static enum err read_dims(const Onnx__TensorProto *p, const char *name, struct onnx_array *t, struct error *e)
{
	if (p->n_dims > ONNX_MAX_DIMS)
		return fail(e, ERR_INVALID, name, "tensor %.80s has %zu dimensions, the limit is %d", name, p->n_dims,
		            ONNX_MAX_DIMS);
	t->ndim = (int)p->n_dims;
	for (size_t i = 0; i < p->n_dims; i++) {
		if (p->dims[i] < 0 || p->dims[i] > ONNX_MAX_DIM)
			return fail(e, ERR_INVALID, name, "dimension %zu of tensor %.80s is %lld, expected 0 to %d", i, name,
			            (long long)p->dims[i], ONNX_MAX_DIM);
		t->dim[i] = (int)p->dims[i];
	}
	if (!onnx_count(t->dim, t->ndim, &t->count))
		return fail(e, ERR_INVALID, name, "the dimensions of tensor %.80s overflow", name);
	return ERR_OK;
}

/* The numbers, each by each; the count is checked before anything is allocated for it. */
static enum err read_numbers(const Onnx__TensorProto *p, int kind, const char *name, struct arena *a,
                             struct onnx_array *t, struct error *e)
{
	size_t size = number_kinds[kind].size;
	bool raw = p->has_raw_data && p->raw_data.len, exact = true;
	size_t have = raw ? p->raw_data.len / size : list_length(p, number_kinds[kind].list);
	float *at = NULL;
	if (have != t->count || (raw && p->raw_data.len % size))
		return fail(e, ERR_INVALID, name, "tensor %.80s holds %zu numbers, its dimensions make %zu", name, have,
		            t->count);
	enum err rc = take(a, t->count, sizeof *at, &at, e);
	for (size_t i = 0; !rc && i < t->count; i++) {
		if (!raw)
			exact = list_number(p, number_kinds[kind].list, i, &at[i]);
		else if (number_kinds[kind].whole)
			exact = whole_to_float(whole_from_raw(t->type, p->raw_data.data + i * size), &at[i]);
		else
			at[i] = stored_number(number_kinds[kind].number, p->raw_data.data + i * size);
		if (!exact)
			rc = fail(e, ERR_INVALID, name, "number %zu of tensor %.80s is beyond 2^24", i, name);
	}
	t->at = at;
	return rc;
}

static enum err read_tensor(const Onnx__TensorProto *p, struct arena *a, struct onnx_array *t, struct error *e)
{
	const char *name = text_or_empty(p->name);
	int kind = 0;
	while (kind < NUMBER_KINDS && (int)number_kinds[kind].type != p->data_type)
		kind++;
	if (kind == NUMBER_KINDS)
		return fail(e, ERR_INVALID, name, "tensor %.80s has the data type %d, which is not read", name, p->data_type);
	if (p->data_location == EXTERNAL)
		return fail(e, ERR_INVALID, name, "the numbers of tensor %.80s are in another file", name);
	t->type = number_kinds[kind].type;
	enum err rc = read_dims(p, name, t, e);
	return rc ? rc : read_numbers(p, kind, name, a, t, e);
}

enum err onnx_tensor_parse(const void *bytes, size_t len, struct arena *a, struct onnx_array *out, struct error *e)
{
	struct memory m = { .arena = a };
	ProtobufCAllocator allocator = { memory_take, memory_keep, &m };
	Onnx__TensorProto *p = onnx__tensor_proto__unpack(&allocator, len, bytes);
	return p ? read_tensor(p, a, out, e) : unpack_failed(&m, len, e);
}

/* --- names ---------------------------------------------------------------------------------------------------------- */

/* The values' names in order, while a file is read. */
struct name { const char *text; int value; };
struct reader {
	struct arena *arena;
	struct onnx_graph *graph;
	struct name *name;
	int n_names;
};

static int by_text(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	return strcmp(x->text, y->text);
}

/* Sort the names of all values so far; what is made twice is an error. */
static enum err names_sort(struct reader *r, struct error *e)
{
	const struct onnx_graph *g = r->graph;
	r->n_names = g->n_values;
	for (int i = 0; i < g->n_values; i++)
		r->name[i] = (struct name){ g->value[i].name, i };
	qsort(r->name, (size_t)r->n_names, sizeof *r->name, by_text);
	for (int i = 1; i < r->n_names; i++)
		if (*r->name[i].text && !by_text(&r->name[i - 1], &r->name[i]))
			return fail(e, ERR_INVALID, r->name[i].text, "two values have the name %.80s", r->name[i].text);
	return ERR_OK;
}

/* The value of that name, or ONNX_ABSENT. */
static int names_find(const struct reader *r, const char *text)
{
	const struct name key = { text, 0 };
	const struct name *found = *text ? bsearch(&key, r->name, (size_t)r->n_names, sizeof *r->name, by_text) : NULL;
	return found ? found->value : ONNX_ABSENT;
}

static int value_add(struct onnx_graph *g, const char *name, int producer, const struct onnx_array *initialiser)
{
	g->value[g->n_values] = (struct onnx_value){ name, producer, initialiser };
	return g->n_values++;
}

/* --- the parts of a graph ------------------------------------------------------------------------------------------- */

static enum err read_initialisers(struct reader *r, const Onnx__GraphProto *p, struct error *e)
{
	struct onnx_array *t = NULL;
	enum err rc = take(r->arena, p->n_initializer, sizeof *t, &t, e);
	for (size_t i = 0; !rc && i < p->n_initializer; i++) {
		value_add(r->graph, text_or_empty(p->initializer[i]->name), ONNX_ABSENT, &t[i]);
		rc = read_tensor(p->initializer[i], r->arena, &t[i], e);
	}
	r->graph->n_initialisers = r->graph->n_values;
	return rc;
}

static enum err read_shape(const Onnx__TypeProto__Shape *p, const char *name, struct onnx_port *port, struct error *e)
{
	if (p->n_dim > ONNX_MAX_DIMS)
		return fail(e, ERR_INVALID, name, "%.80s has %zu dimensions, the limit is %d", name, p->n_dim, ONNX_MAX_DIMS);
	port->ndim = (int)p->n_dim;
	for (size_t i = 0; i < p->n_dim; i++) {
		int64_t v = p->dim[i]->has_dim_value ? p->dim[i]->dim_value : 0;
		if (v < 0 || v > ONNX_MAX_DIM)
			return fail(e, ERR_INVALID, name, "dimension %zu of %.80s is %lld, expected 0 to %d", i, name, (long long)v,
			            ONNX_MAX_DIM);
		port->dim[i] = (int)v;
		port->dim_name[i] = p->dim[i]->dim_param;
	}
	return ERR_OK;
}

static enum err read_port(const Onnx__ValueInfoProto *p, struct onnx_port *port, struct error *e)
{
	const char *name = text_or_empty(p->name);
	const Onnx__TypeProto__Tensor *t = p->type ? p->type->tensor_type : NULL;
	port->ndim = -1;
	if (!t)
		return fail(e, ERR_INVALID, name, "%.80s is no tensor", name);
	port->type = (enum onnx_type)t->elem_type;
	return t->shape ? read_shape(t->shape, name, port, e) : ERR_OK;
}

/* An input that an initialiser stands behind is that initialiser. */
static enum err read_inputs(struct reader *r, const Onnx__GraphProto *p, struct error *e)
{
	struct onnx_graph *g = r->graph;
	enum err rc = take(r->arena, p->n_input, sizeof *g->input, &g->input, e);
	for (size_t i = 0; !rc && i < p->n_input; i++) {
		const char *name = text_or_empty(p->input[i]->name);
		if (names_find(r, name) != ONNX_ABSENT)
			continue;
		struct onnx_port *port = &g->input[g->n_inputs++];
		port->value = value_add(g, name, ONNX_ABSENT, NULL);
		rc = read_port(p->input[i], port, e);
	}
	return rc;
}

static enum err read_outputs(struct reader *r, const Onnx__GraphProto *p, struct error *e)
{
	struct onnx_graph *g = r->graph;
	enum err rc = take(r->arena, p->n_output, sizeof *g->output, &g->output, e);
	for (size_t i = 0; !rc && i < p->n_output; i++) {
		const char *name = text_or_empty(p->output[i]->name);
		struct onnx_port *port = &g->output[g->n_outputs++];
		port->value = names_find(r, name);
		rc = port->value == ONNX_ABSENT ? fail(e, ERR_INVALID, name, "no node makes the output %.80s", name)
			: read_port(p->output[i], port, e);
	}
	return rc;
}

static enum err read_strings(struct arena *a, const Onnx__AttributeProto *p, struct onnx_attribute *out,
                             struct error *e)
{
	const char **text = NULL;
	enum err rc = take(a, p->n_strings, sizeof *text, &text, e);
	for (size_t i = 0; !rc && i < p->n_strings; i++)
		rc = copy_text(a, &p->strings[i], &text[i], e);
	out->strings = text;
	return rc;
}

/* The member that counts: the type says it, or, where there is none, what is there. */
static enum onnx_member member_of(const Onnx__AttributeProto *p)
{
	if (p->has_type)
		return (enum onnx_member)p->type;
	return p->has_f ? ONNX_MEMBER_F : p->has_s ? ONNX_MEMBER_S : p->t ? ONNX_MEMBER_T : p->n_floats ? ONNX_MEMBER_FLOATS
		: p->n_ints ? ONNX_MEMBER_INTS : p->n_strings ? ONNX_MEMBER_STRINGS : ONNX_MEMBER_I;
}

static enum err read_attribute(struct arena *a, const Onnx__AttributeProto *p, struct onnx_attribute *out,
                               struct error *e)
{
	struct onnx_array *t = NULL;
	enum err rc = ERR_OK;
	*out = (struct onnx_attribute){ .name = text_or_empty(p->name), .member = member_of(p), .f = (double)p->f, .i = p->i, .s = "" };
	switch (out->member) {
	case ONNX_MEMBER_F:
	case ONNX_MEMBER_I:
		break;
	case ONNX_MEMBER_S:
		rc = copy_text(a, &p->s, &out->s, e);
		break;
	case ONNX_MEMBER_T:
		rc = p->t ? take(a, 1, sizeof *t, &t, e) : fail(e, ERR_INVALID, out->name, "attribute %.80s has no tensor",
		                                                out->name);
		if (!rc)
			rc = read_tensor(p->t, a, t, e);
		out->t = t;
		break;
	case ONNX_MEMBER_FLOATS:
		out->n = (int)p->n_floats;
		out->floats = p->floats;
		break;
	case ONNX_MEMBER_INTS:
		out->n = (int)p->n_ints;
		out->ints = p->ints;
		break;
	case ONNX_MEMBER_STRINGS:
		out->n = (int)p->n_strings;
		rc = read_strings(a, p, out, e);
		break;
	default:
		rc = fail(e, ERR_INVALID, out->name, "attribute %.80s is of a kind that is not read (%d)", out->name,
		          (int)out->member);
	}
	return rc;
}

/* What node k reads; `known` values were made before it. */
static enum err read_node_inputs(struct reader *r, const Onnx__NodeProto *p, int k, int known, struct error *e)
{
	struct onnx_node *n = &r->graph->node[k];
	int *in = NULL;
	enum err rc = take(r->arena, p->n_input, sizeof *in, &in, e);
	n->n_in = (int)p->n_input;
	n->in = in;
	for (size_t i = 0; !rc && i < p->n_input; i++) {
		in[i] = names_find(r, p->input[i]);
		if (*p->input[i] && (in[i] == ONNX_ABSENT || in[i] >= known))
			rc = onnx_fail(r->graph, n, ERR_INVALID, e, "reads %.80s, which nothing before it makes", p->input[i]);
	}
	return rc;
}

static enum err read_node(struct reader *r, const Onnx__NodeProto *p, int k, struct error *e)
{
	struct onnx_node *n = &r->graph->node[k];
	struct onnx_attribute *attribute = NULL;
	int *out = NULL;
	*n = (struct onnx_node){ .name = text_or_empty(p->name), .op = text_or_empty(p->op_type) };
	enum err rc = take(r->arena, p->n_attribute, sizeof *attribute, &attribute, e);
	if (!rc)
		rc = take(r->arena, p->n_output, sizeof *out, &out, e);
	if (rc)
		return rc;
	for (size_t i = 0; i < p->n_output; i++)
		out[i] = *p->output[i] ? value_add(r->graph, p->output[i], k, NULL) : ONNX_ABSENT;
	n->n_out = (int)p->n_output;
	n->out = out;
	if (p->domain && *p->domain && strcmp(p->domain, "ai.onnx"))
		return onnx_fail(r->graph, n, ERR_INVALID, e, "operators of the domain %.40s are not read", p->domain);
	for (size_t i = 0; !rc && i < p->n_attribute; i++)
		rc = read_attribute(r->arena, p->attribute[i], &attribute[i], e);
	n->n_attributes = (int)p->n_attribute;
	n->attribute = attribute;
	return rc;
}

/* First what all nodes make, then, with the names in order, what they read. */
static enum err read_nodes(struct reader *r, const Onnx__GraphProto *p, struct error *e)
{
	struct onnx_graph *g = r->graph;
	int known = g->n_values;
	enum err rc = take(r->arena, p->n_node, sizeof *g->node, &g->node, e);
	for (; !rc && g->n_nodes < (int)p->n_node; g->n_nodes++)
		rc = read_node(r, p->node[g->n_nodes], g->n_nodes, e);
	if (!rc)
		rc = names_sort(r, e);
	for (int k = 0; !rc && k < g->n_nodes; k++) {
		rc = read_node_inputs(r, p->node[k], k, known, e);
		for (int i = 0; i < g->node[k].n_out; i++)
			known += g->node[k].out[i] != ONNX_ABSENT;
	}
	return rc;
}

/* Room for every value; the limits come first. */
static enum err make_room(struct reader *r, const Onnx__GraphProto *p, struct error *e)
{
	size_t n = p->n_initializer + p->n_input;
	for (size_t i = 0; i < p->n_node; i++)
		n += p->node[i]->n_output;
	if (p->n_node > ONNX_MAX_NODES || n > ONNX_MAX_VALUES)
		return fail(e, ERR_TOO_LARGE, "", "the graph has %zu nodes and %zu values, the limits are %d and %d", p->n_node,
		            n, ONNX_MAX_NODES, ONNX_MAX_VALUES);
	enum err rc = take(r->arena, n, sizeof *r->graph->value, &r->graph->value, e);
	return rc ? rc : take(r->arena, n, sizeof *r->name, &r->name, e);
}

static enum err read_graph(struct reader *r, const Onnx__GraphProto *p, struct error *e)
{
	enum err rc = make_room(r, p, e);
	if (!rc)
		rc = read_initialisers(r, p, e);
	if (!rc)
		rc = names_sort(r, e);
	if (!rc)
		rc = read_inputs(r, p, e);
	if (!rc)
		rc = read_nodes(r, p, e);
	return rc ? rc : read_outputs(r, p, e);
}

static enum err read_opset(const Onnx__ModelProto *p, int *out, struct error *e)
{
	for (size_t i = 0; i < p->n_opset_import; i++) {
		const Onnx__OperatorSetIdProto *o = p->opset_import[i];
		if (o->domain && *o->domain && strcmp(o->domain, "ai.onnx"))
			continue;
		if (o->version < ONNX_OLDEST || o->version > ONNX_NEWEST)
			return fail(e, ERR_INVALID, "opset_import", "the opset is %lld, read are %d to %d", (long long)o->version,
			            ONNX_OLDEST, ONNX_NEWEST);
		*out = (int)o->version;
		return ERR_OK;
	}
	return fail(e, ERR_INVALID, "opset_import", "the file names no opset");
}

enum err onnx_parse(const void *bytes, size_t len, struct arena *a, struct onnx_graph *out, struct error *e)
{
	struct memory m = { .arena = a };
	ProtobufCAllocator allocator = { memory_take, memory_keep, &m };
	Onnx__ModelProto *p = onnx__model_proto__unpack(&allocator, len, bytes);
	struct onnx_graph graph = { 0 };
	struct reader r = { .arena = a, .graph = &graph };
	if (!p)
		return unpack_failed(&m, len, e);
	if (!p->graph)
		return fail(e, ERR_SYNTAX, "graph", "the file holds no graph");
	for (size_t i = 0; i < p->n_metadata_props; i++)
		if (!strcmp(text_or_empty(p->metadata_props[i]->key), DOCUMENT))
			graph.document = p->metadata_props[i]->value;
	enum err rc = read_opset(p, &graph.opset, e);
	if (!rc)
		rc = read_graph(&r, p->graph, e);
	if (!rc)
		*out = graph;
	return rc;
}

/* --- writing -------------------------------------------------------------------------------------------------------- */

/* Arrays of messages and of pointers to them, as protobuf-c wants repeated members. */
#define MESSAGES(arena, n, message, pointers) \
	messages_of((arena), (n), sizeof *(message), (void **)&(message), (void ***)&(pointers))

static bool messages_of(struct arena *a, size_t n, size_t size, void **messages, void ***pointers)
{
	char *all = arena_calloc(a, n, size);
	void **each = arena_calloc(a, n, sizeof *each);
	for (size_t i = 0; all && each && i < n; i++)
		each[i] = all + i * size;
	*messages = all;
	*pointers = each;
	return all && each;
}

static bool write_tensor(struct arena *a, const struct onnx_array *t, const char *name, Onnx__TensorProto *p)
{
	*p = (Onnx__TensorProto)ONNX__TENSOR_PROTO__INIT;
	p->has_data_type = true;
	p->data_type = t->type;
	p->name = (char *)(uintptr_t)name;
	p->n_dims = (size_t)t->ndim;
	p->dims = arena_calloc(a, p->n_dims, sizeof *p->dims);
	for (int i = 0; p->dims && i < t->ndim; i++)
		p->dims[i] = t->dim[i];
	if (t->type == ONNX_FLOAT) {
		p->n_float_data = t->count;
		p->float_data = (float *)(uintptr_t)t->at;
		return p->dims;
	}
	p->n_int64_data = t->count;
	p->int64_data = arena_calloc(a, t->count, sizeof *p->int64_data);
	for (size_t i = 0; p->int64_data && i < t->count; i++)
		p->int64_data[i] = t->at[i] >= WHOLE_MOST ? INT64_MAX : (int64_t)t->at[i];
	return p->dims && p->int64_data;
}

static ProtobufCBinaryData bytes_of(const char *s)
{
	return (ProtobufCBinaryData){ .len = strlen(s), .data = (uint8_t *)(uintptr_t)s };
}

static bool write_attribute(struct arena *a, const struct onnx_attribute *from, Onnx__AttributeProto *p)
{
	*p = (Onnx__AttributeProto)ONNX__ATTRIBUTE_PROTO__INIT;
	p->name = (char *)(uintptr_t)from->name;
	p->has_type = true;
	p->type = from->member;
	p->has_f = from->member == ONNX_MEMBER_F;
	p->f = (float)from->f;
	p->has_i = from->member == ONNX_MEMBER_I;
	p->i = from->i;
	p->has_s = from->member == ONNX_MEMBER_S;
	if (p->has_s)
		p->s = bytes_of(from->s);
	if (from->member == ONNX_MEMBER_T)
		return (p->t = arena_alloc(a, sizeof *p->t)) && write_tensor(a, from->t, NULL, p->t);
	if (from->member == ONNX_MEMBER_INTS) {
		p->n_ints = (size_t)from->n;
		p->ints = (int64_t *)(uintptr_t)from->ints;
	}
	if (from->member == ONNX_MEMBER_STRINGS) {
		p->n_strings = (size_t)from->n;
		p->strings = arena_calloc(a, p->n_strings, sizeof *p->strings);
		for (int i = 0; p->strings && i < from->n; i++)
			p->strings[i] = bytes_of(from->strings[i]);
		return p->strings;
	}
	return true;
}

static char **names_of(struct arena *a, const struct onnx_graph *g, const int *value, int n)
{
	char **name = arena_calloc(a, (size_t)n, sizeof *name);
	for (int i = 0; name && i < n; i++)
		name[i] = (char *)(uintptr_t)onnx_value_name(g, value[i]);
	return name;
}

static bool write_node(struct arena *a, const struct onnx_graph *g, const struct onnx_node *n, Onnx__NodeProto *p)
{
	Onnx__AttributeProto *attribute;
	*p = (Onnx__NodeProto)ONNX__NODE_PROTO__INIT;
	p->name = (char *)(uintptr_t)n->name;
	p->op_type = (char *)(uintptr_t)n->op;
	p->n_input = (size_t)n->n_in;
	p->input = names_of(a, g, n->in, n->n_in);
	p->n_output = (size_t)n->n_out;
	p->output = names_of(a, g, n->out, n->n_out);
	p->n_attribute = (size_t)n->n_attributes;
	bool ok = MESSAGES(a, p->n_attribute, attribute, p->attribute);
	for (int i = 0; ok && i < n->n_attributes; i++)
		ok = write_attribute(a, &n->attribute[i], &attribute[i]);
	return ok && p->input && p->output;
}

static bool write_shape(struct arena *a, const struct onnx_port *port, Onnx__TypeProto__Shape *p)
{
	Onnx__TypeProto__Dimension *dim;
	*p = (Onnx__TypeProto__Shape)ONNX__TYPE_PROTO__SHAPE__INIT;
	p->n_dim = (size_t)port->ndim;
	if (!MESSAGES(a, p->n_dim, dim, p->dim))
		return false;
	for (int i = 0; i < port->ndim; i++) {
		dim[i] = (Onnx__TypeProto__Dimension)ONNX__TYPE_PROTO__DIMENSION__INIT;
		dim[i].has_dim_value = port->dim[i] != 0;
		dim[i].dim_value = port->dim[i];
		dim[i].dim_param = port->dim[i] ? NULL : (char *)(uintptr_t)port->dim_name[i];
	}
	return true;
}

static bool write_port(struct arena *a, const struct onnx_graph *g, const struct onnx_port *port,
                       Onnx__ValueInfoProto *p)
{
	struct { Onnx__TypeProto type; Onnx__TypeProto__Tensor tensor; Onnx__TypeProto__Shape shape; } *parts;
	parts = arena_alloc(a, sizeof *parts);
	*p = (Onnx__ValueInfoProto)ONNX__VALUE_INFO_PROTO__INIT;
	if (!parts || !write_shape(a, port, &parts->shape))
		return false;
	parts->tensor = (Onnx__TypeProto__Tensor)ONNX__TYPE_PROTO__TENSOR__INIT;
	parts->tensor.has_elem_type = true;
	parts->tensor.elem_type = port->type;
	parts->tensor.shape = &parts->shape;
	parts->type = (Onnx__TypeProto)ONNX__TYPE_PROTO__INIT;
	parts->type.tensor_type = &parts->tensor;
	p->name = (char *)(uintptr_t)onnx_value_name(g, port->value);
	p->type = &parts->type;
	return true;
}

static bool write_graph(struct arena *a, const struct onnx_graph *g, Onnx__GraphProto *p)
{
	Onnx__TensorProto *initialiser;
	Onnx__ValueInfoProto *input, *output;
	Onnx__NodeProto *node;
	*p = (Onnx__GraphProto)ONNX__GRAPH_PROTO__INIT;
	p->name = (char *)(uintptr_t)DOCUMENT;
	p->n_initializer = (size_t)g->n_initialisers;
	p->n_input = (size_t)g->n_inputs;
	p->n_output = (size_t)g->n_outputs;
	p->n_node = (size_t)g->n_nodes;
	bool ok = MESSAGES(a, p->n_initializer, initialiser, p->initializer) && MESSAGES(a, p->n_input, input, p->input)
		&& MESSAGES(a, p->n_output, output, p->output) && MESSAGES(a, p->n_node, node, p->node);
	for (int i = 0; ok && i < g->n_initialisers; i++)
		ok = write_tensor(a, g->value[i].initialiser, g->value[i].name, &initialiser[i]);
	for (int i = 0; ok && i < g->n_inputs; i++)
		ok = write_port(a, g, &g->input[i], &input[i]);
	for (int i = 0; ok && i < g->n_outputs; i++)
		ok = write_port(a, g, &g->output[i], &output[i]);
	for (int i = 0; ok && i < g->n_nodes; i++)
		ok = write_node(a, g, &g->node[i], &node[i]);
	return ok;
}

/* A ProtobufCBuffer that appends to a strbuf. */
struct sink { ProtobufCBuffer base; struct strbuf *out; };

static void sink_append(ProtobufCBuffer *b, size_t len, const uint8_t *bytes)
{
	strbuf_add(((struct sink *)b)->out, bytes, len);
}

enum err onnx_write(const struct onnx_graph *g, struct arena *a, struct strbuf *out, struct error *e)
{
	Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT, *opsets = &opset;
	Onnx__StringStringEntryProto document = ONNX__STRING_STRING_ENTRY_PROTO__INIT, *properties = &document;
	Onnx__GraphProto graph;
	Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
	struct sink sink = { .base.append = sink_append, .out = out };
	if (!write_graph(a, g, &graph))
		return fail_nomem(e);
	opset.domain = (char *)(uintptr_t)"";
	opset.has_version = true;
	opset.version = g->opset;
	document.key = (char *)(uintptr_t)DOCUMENT;
	document.value = (char *)(uintptr_t)g->document;
	model.has_ir_version = true;
	model.ir_version = IR_VERSION;
	model.producer_name = (char *)(uintptr_t)DOCUMENT;
	model.producer_version = (char *)(uintptr_t)GATECAST_VERSION;
	model.graph = &graph;
	model.n_opset_import = 1;
	model.opset_import = &opsets;
	model.n_metadata_props = g->document != NULL;
	model.metadata_props = &properties;
	onnx__model_proto__pack_to_buffer(&model, &sink.base);
	return strbuf_ok(out) ? ERR_OK : fail_nomem(e);
}
