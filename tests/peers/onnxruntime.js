// onnxruntime.js FOLDER COUNT - runs N.onnx of the folder in ONNX Runtime and compares with N.json (see onnx_samples.c).
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const ort = require("onnxruntime-node");

const TOLERANCE = 1e-5;
const [folder, count] = [process.argv[2], Number(process.argv[3])];

/** The greatest difference, relative where numbers are large; what is not a number is infinitely far. */
function worst(got, want) {
	if (got.length !== want.length) return Infinity;
	let most = 0;
	for (let i = 0; i < want.length; i++) {
		const d = Math.abs(got[i] - want[i]) / (1 + Math.abs(want[i]));
		most = d <= most ? most : d > most ? d : Infinity;
	}
	return most;
}

async function compare(number) {
	const sample = JSON.parse(fs.readFileSync(path.join(folder, `${number}.json`)));
	// Only errors: a tensor of calibration that no node reads is no reason to speak.
	const session = await ort.InferenceSession.create(path.join(folder, `${number}.onnx`), { logSeverityLevel: 3 });
	const data = sample.type === "int64" ? BigInt64Array.from(sample.input, BigInt) : Float32Array.from(sample.input);
	const result = await session.run({ input: new ort.Tensor(sample.type, data, sample.dims) });
	const differences = [worst(result.output.data, sample.output)];
	if (sample.attention) differences.push(worst(result.attention.data, sample.attention));
	await session.release();
	return Math.max(...differences);
}

async function main() {
	let failed = 0;
	let most = 0;
	for (let number = 0; number < count; number++) {
		const d = await compare(number).catch((e) => {
			console.log(`${number}: ${e.message}`);
			return Infinity;
		});
		most = Math.max(most, d);
		if (!(d <= TOLERANCE)) {
			failed++;
			console.log(`${number}: differs by ${d}`);
		}
	}
	console.log(`ONNX Runtime ${ort.env.versions.node}: worst difference ${most.toPrecision(2)}`);
	console.log(`100%: Checks: ${count}, Failures: ${failed}, Errors: 0`);
	process.exitCode = failed ? 1 : 0;
}

main();
