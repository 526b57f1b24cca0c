// onnxruntime.js FOLDER - ONNX Runtime as a racer (tests/bench/racer.h), on the graphs that bench_cases wrote.
//
// What JavaScript adds to a call is not the runtime's: a graph that only hands its input on is timed beside the case,
// and what it takes is subtracted.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");
const ort = require("onnxruntime-node");

const folder = process.argv[2];
const cases = JSON.parse(fs.readFileSync(path.join(folder, "cases.json")));
const OPTIONS = { intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: "sequential", logSeverityLevel: 3 };
const WARM_UP_CALLS = 5;
const WARM_UP_US = 20000;

/** Of the process, in microseconds. */
function cpu() {
	const { user, system } = process.cpuUsage();
	return user + system;
}

/** The batch as the graph takes it: [batch][time][columns], of a layer [time][batch][columns]. */
function input(name, steps, batch) {
	const { inputs, layer } = cases[name];
	const bytes = fs.readFileSync(path.join(folder, `${name}.input`));
	const rows = new Float32Array(bytes.buffer, bytes.byteOffset, batch * steps * inputs);
	if (!layer) return new ort.Tensor("float32", Float32Array.from(rows), [batch, steps, inputs]);
	const x = new Float32Array(rows.length);
	for (let b = 0; b < batch; b++)
		for (let t = 0; t < steps; t++)
			x.set(rows.subarray((b * steps + t) * inputs, (b * steps + t + 1) * inputs), (t * batch + b) * inputs);
	return new ort.Tensor("float32", x, [steps, batch, inputs]);
}

class Race {
	async prepare(name, steps, batch) {
		if (!cases[name]) throw new Error("there is no such case");
		if (this.session) await this.session.release();
		this.session = await ort.InferenceSession.create(path.join(folder, `${name}.onnx`), OPTIONS);
		this.through ??= await ort.InferenceSession.create(path.join(folder, "through.onnx"), OPTIONS);
		this.feed = { input: input(name, steps, batch) };
		await this.calls(this.session, WARM_UP_CALLS);
		this.us = 0;
		for (let calls = 1; this.us * calls < WARM_UP_US; calls *= 2) this.us = await this.calls(this.session, calls);
	}

	async calls(session, n) {
		const start = cpu();
		for (let i = 0; i < n; i++) await session.run(this.feed, ["output"]);
		return (cpu() - start) / n;
	}

	async time(ms) {
		const calls = Math.max(1, Math.round(ms * 1e3 / this.us));
		const all = await this.calls(this.session, calls);
		return all - await this.calls(this.through, calls);
	}

	async answer(file) {
		const { output } = await this.session.run(this.feed, ["output"]);
		fs.writeFileSync(file, Buffer.from(output.data.buffer, output.data.byteOffset, output.data.byteLength));
	}
}

async function follow(race, line) {
	const [order, ...words] = line.split(" ");
	if (order === "prepare") await race.prepare(words[0], Number(words[1]), Number(words[2]));
	else if (order === "answer") await race.answer(words.join(" "));
	else if (order === "time") return (await race.time(Number(words[0]))).toFixed(4);
	else throw new Error("it was not understood");
	return "ready";
}

async function main() {
	const race = new Race();
	for await (const line of readline.createInterface({ input: process.stdin }))
		console.log(await follow(race, line).catch((e) => `no ${e.message.replaceAll("\n", " ")}`));
}

main();
