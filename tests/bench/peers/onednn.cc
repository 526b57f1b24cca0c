/* onednn.cc - oneDNN as a racer (tests/bench/racer.h): one recurrent layer, one direction, forward inference.
 *
 * oneDNN chooses the layout of its weights; they are put into it once, before anything is timed. The gates of its GRU
 * stand in another order (z r n), and the reset-after form (linear before reset) has a fourth bias: of the candidate's
 * state part. */
#include <dnnl.hpp>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <unordered_map>
#include <vector>

extern "C" {
#include "tests/bench/racer.h"
}

namespace {

using dnnl::memory;
using tag = memory::format_tag;
using Numbers = std::vector<float>;

struct Kind {
	int gates, biases;
	int from[4];               /* PyTorch's gate at each of oneDNN's places */
};
const Kind kinds[] = {
	{ 3, 4, { 1, 0, 2 } },     /* ENCODER_GRU */
	{ 4, 4, { 0, 1, 2, 3 } },  /* ENCODER_LSTM */
	{ 1, 1, { 0 } },           /* ENCODER_RNN */
};

class Layer {
public:
	Layer(const bench_case *what, int steps, int rows)
		: c(what), kind(kinds[what->spec.encoder]), T(steps), B(rows), in(what->spec.inputs), hid(what->spec.hidden)
	{
		const auto inference = dnnl::prop_kind::forward_inference;
		const auto forward = dnnl::rnn_direction::unidirectional_left2right;
		const memory::desc none, x = any({ T, B, in }), y = any({ T, B, hid }), h = desc({ 1, 1, B, hid }, tag::ldnc);
		const memory::desc wx = any({ 1, 1, in, kind.gates, hid }), wh = any({ 1, 1, hid, kind.gates, hid });
		const memory::desc b = desc({ 1, 1, kind.biases, hid }, tag::ldgo);
		if (c->spec.encoder == ENCODER_GRU)
			create<dnnl::lbr_gru_forward>({ inference, forward, x, none, wx, wh, b, y, h });
		else if (c->spec.encoder == ENCODER_LSTM)
			create<dnnl::lstm_forward>({ inference, forward, x, none, none, wx, wh, b, y, h, h });
		else
			create<dnnl::vanilla_rnn_forward>({ inference, dnnl::algorithm::eltwise_tanh, forward, x, none, wx, wh, b,
			                                    y, h });
	}

	void run()
	{
		layer.execute(stream, arguments);
		stream.wait();
	}

	const float *last(size_t *n)
	{
		*n = static_cast<size_t>(B * hid);
		return static_cast<const float *>(arguments.at(DNNL_ARG_DST_ITER).get_data_handle());
	}

private:
	const bench_case *c;
	const Kind &kind;
	const memory::dim T, B, in, hid;
	dnnl::engine engine { dnnl::engine::kind::cpu, 0 };
	dnnl::stream stream { engine };
	dnnl::primitive layer;
	std::unordered_map<int, memory> arguments;

	static memory::desc desc(const memory::dims &dims, tag t) { return { dims, memory::data_type::f32, t }; }
	static memory::desc any(const memory::dims &dims) { return desc(dims, tag::any); }

	template <class Operation> void create(const typename Operation::desc &d)
	{
		const typename Operation::primitive_desc p(d, engine);
		layer = Operation(p);
		give_weights(p.weights_layer_desc(), p.weights_iter_desc(), p.bias_desc());
		give(DNNL_ARG_SRC_LAYER, desc({ T, B, in }, tag::tnc), p.src_layer_desc(), steps());
		arguments[DNNL_ARG_DST_LAYER] = memory(p.dst_layer_desc(), engine);
		arguments[DNNL_ARG_DST_ITER] = memory(p.dst_iter_desc(), engine);
		if (c->spec.encoder == ENCODER_LSTM)
			arguments[DNNL_ARG_DST_ITER_C] = memory(desc({ 1, 1, B, hid }, tag::ldnc), engine);
	}

	/* Numbers that lie as `from`, as the operation wants them. */
	void give(int argument, const memory::desc &from, const memory::desc &want, Numbers numbers)
	{
		memory given(from, engine, numbers.data()), taken(want, engine);
		dnnl::reorder(given, taken).execute(stream, given, taken);
		stream.wait();
		arguments[argument] = taken;
	}

	/* weight_ih, weight_hh, bias_ih, bias_hh are the first four tensors of the block. */
	void give_weights(const memory::desc &wx, const memory::desc &wh, const memory::desc &b)
	{
		const std::unique_ptr<float, decltype(&free)> block(bench_case_weights(c), free);
		tensor_table table;
		net_tensors(&c->spec, &table);
		const auto tensor = [&](int i) { return block.get() + table.tensor[i].offset; };
		give(DNNL_ARG_WEIGHTS_LAYER, desc({ 1, 1, in, kind.gates, hid }, tag::ldgoi), wx, gates(tensor(0), in * hid));
		give(DNNL_ARG_WEIGHTS_ITER, desc({ 1, 1, hid, kind.gates, hid }, tag::ldgoi), wh, gates(tensor(1), hid * hid));
		give(DNNL_ARG_BIAS, desc({ 1, 1, kind.biases, hid }, tag::ldgo), b, biases(tensor(2), tensor(3)));
	}

	/* [gate][each] in oneDNN's order of gates. */
	Numbers gates(const float *from, memory::dim each) const
	{
		Numbers out;
		for (int g = 0; g < kind.gates; g++)
			out.insert(out.end(), from + kind.from[g] * each, from + (kind.from[g] + 1) * each);
		return out;
	}

	Numbers biases(const float *ih, const float *hh) const
	{
		Numbers out = gates(ih, hid), state = gates(hh, hid);
		const auto apart = kind.biases > kind.gates ? (kind.gates - 1) * hid : kind.gates * hid;
		std::transform(out.begin(), out.begin() + apart, state.begin(), out.begin(), std::plus<float>());
		out.insert(out.end(), state.begin() + apart, state.end());
		return out;
	}

	/* [B][T][in] as [T][B][in] */
	Numbers steps() const
	{
		const std::unique_ptr<float, decltype(&free)> x(bench_case_input(c, static_cast<int>(T)), free);
		Numbers out;
		for (memory::dim t = 0; t < T; t++)
			for (memory::dim b = 0; b < B; b++) {
				const float *step = x.get() + (b * T + t) * in;
				out.insert(out.end(), step, step + in);
			}
		return out;
	}
};

std::unique_ptr<Layer> current;

const char *prepare(void *, const bench_case *c, int T, int batch)
{
	if (!c->layer)
		return "only single layers";
	current = std::make_unique<Layer>(c, T, batch);
	return nullptr;
}

void run(void *)
{
	current->run();
}

const float *outputs(void *, size_t *n)
{
	return current->last(n);
}

}

int main()
{
	const racer r = { prepare, run, outputs, nullptr, false };
	return racer_follow(&r);
}
