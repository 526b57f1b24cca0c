/* onnx_node.c - see onnx_node.h. */
#include "onnx_node.h"

#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODE_DIR      "/usr/share/libonnx-testdata/data/node"
#define TYPE_FLOAT    1
#define MAX_FILE      65536

static size_t file_read(const char *test, const char *name, uint8_t bytes[MAX_FILE])
{
	const char *dir = getenv("ONNX_NODE_DIR");
	char path[4096];
	snprintf(path, sizeof path, "%s/%s/%s", dir ? dir : NODE_DIR, test, name);
	FILE *f = fopen(path, "rb");
	ck_assert_msg(f, "%s cannot be opened: install libonnx-testdata or set ONNX_NODE_DIR", path);
	size_t n = fread(bytes, 1, MAX_FILE, f);
	fclose(f);
	ck_assert_uint_lt(n, MAX_FILE);
	return n;
}

Onnx__ModelProto *onnx_model_read(const char *test)
{
	uint8_t bytes[MAX_FILE];
	size_t n = file_read(test, "model.onnx", bytes);
	Onnx__ModelProto *m = onnx__model_proto__unpack(NULL, n, bytes);
	ck_assert_msg(m && m->graph && m->graph->n_node == 1, "%s: not one node", test);
	return m;
}

int64_t onnx_attribute(const Onnx__NodeProto *node, const char *name, int64_t otherwise)
{
	for (size_t i = 0; i < node->n_attribute; i++)
		if (!strcmp(node->attribute[i]->name, name))
			return node->attribute[i]->i;
	return otherwise;
}

double onnx_attribute_float(const Onnx__NodeProto *node, const char *name, double otherwise)
{
	for (size_t i = 0; i < node->n_attribute; i++)
		if (!strcmp(node->attribute[i]->name, name))
			return (double)node->attribute[i]->f;
	return otherwise;
}

static size_t tensor_count(const Onnx__TensorProto *p, struct onnx_tensor *t)
{
	size_t n = 1;
	t->ndim = (int)p->n_dims;
	for (size_t i = 0; i < p->n_dims; i++) {
		t->dim[i] = (size_t)p->dims[i];
		n *= t->dim[i];
	}
	return n;
}

void onnx_tensor_read(const char *test, const char *kind, int i, struct onnx_tensor *t)
{
	uint8_t bytes[MAX_FILE];
	char name[64];
	snprintf(name, sizeof name, "test_data_set_0/%s_%d.pb", kind, i);
	Onnx__TensorProto *p = onnx__tensor_proto__unpack(NULL, file_read(test, name, bytes), bytes);
	ck_assert_msg(p && p->data_type == TYPE_FLOAT && p->n_dims <= 4, "%s/%s: not a tensor of floats", test, name);
	t->n = tensor_count(p, t);
	t->at = reals(t->n);
	ck_assert_uint_eq(p->has_raw_data ? p->raw_data.len / sizeof(float) : p->n_float_data, t->n);
	for (size_t k = 0; k < t->n; k++) {
		float f;
		if (p->has_raw_data)
			memcpy(&f, p->raw_data.data + k * sizeof f, sizeof f);
		else
			f = p->float_data[k];
		t->at[k] = f;
	}
	onnx__tensor_proto__free_unpacked(p, NULL);
}
