// What speedscope's importer makes of each of some profiles, as JSON. Loads the importer out of the folder of a
// speedscope release, a bundle for browsers, into a context with just enough of a browser in it.
import fs from 'node:fs'
import path from 'node:path'
import vm from 'node:vm'

const [folder, ...profilePaths] = process.argv.slice(2)
const context = vm.createContext({ console: { log() {}, warn() {} }, TextDecoder, TextEncoder,
                                   performance, setTimeout, atob, URL })
context.window = context
context.self = context
for (const prefix of ['speedscope.', 'import.']) {
    for (const name of fs.readdirSync(folder)) {
        if (name.startsWith(prefix) && name.endsWith('.js')) {
            try {
                vm.runInContext(fs.readFileSync(path.join(folder, name), 'utf8'), context)
            } catch {
                // The user interface finds no page to draw itself on. Its modules are there all the same.
            }
        }
    }
}
const modules = context.parcelRequire.modules
const id = Object.keys(modules).find(
    key => modules[key][0].toString().includes('importProfileGroupFromText='))
const importer = context.parcelRequire(id)

async function read(profilePath) {
    const group = await importer.importProfileGroupFromText(
        path.basename(profilePath), fs.readFileSync(profilePath, 'utf8'))
    const inclusive = {}
    let total = 0
    for (const profile of group.profiles) {
        total += profile.getTotalWeight()
        profile.forEachFrame(frame => {
            inclusive[frame.name] = (inclusive[frame.name] ?? 0) + frame.getTotalWeight()
        })
    }
    return { total, inclusive }
}

const readings = []
for (const profilePath of profilePaths) {
    readings.push(await read(profilePath))
}
process.stdout.write(JSON.stringify(readings))
