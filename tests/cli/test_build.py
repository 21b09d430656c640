"""What `ground deploy` packs: requirements, npm's packages, esbuild's bundle, what make leaves, layers. npm and esbuild are small stand-ins on the path."""

import io
import json
import os
import sys
import zipfile

import click
import pytest

from groundcloud.cli import node_packages, requirements
from groundcloud.cli.build import package

NPM = f"""#!{sys.executable}
import json, os, pathlib, sys
if "install" not in sys.argv:
    sys.exit("npm error what is " + " ".join(sys.argv[1:]))
manifest = json.load(open("package.json"))
names = dict(manifest.get("dependencies", {{}}))
if "--omit=dev" not in sys.argv:
    names |= manifest.get("devDependencies", {{}})
for name, version in names.items():
    if version == "none":
        sys.exit("npm error 404 " + name + " is not in this registry.")
    folder = pathlib.Path("node_modules", name)
    folder.mkdir(parents=True)
    (folder / "index.js").write_text(version)
"""
ESBUILD = f"""#!{sys.executable}
import os, pathlib, sys
if "broken.ts" in sys.argv:
    sys.exit("ERROR: Expected ; but found end of file")
out = pathlib.Path(next(word for word in sys.argv if word.startswith("--outdir=")).partition("=")[2])
out.mkdir(parents=True, exist_ok=True)
for entry in sys.argv[1:]:
    if not entry.startswith("--"):
        assert os.path.exists(entry), entry
        (out / pathlib.Path(entry).with_suffix(".js").name).write_text(" ".join(sys.argv[1:]).replace(str(out), "OUT"))
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """`project({name: content}, resource...)` -> the folder with these files and a template of these resources."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in (("npm", NPM), ("esbuild", ESBUILD)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def make(files, **resources):
        folder = tmp_path / "app"
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        (folder / "template.json").write_text(json.dumps({"Transform": "AWS::Serverless-2016-10-31", "Resources": resources}))
        return folder

    return make


def function(runtime, handler="app.handler", metadata=None, **properties):
    made = {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": "src", "Handler": handler, "Runtime": runtime, **properties}}
    return {**made, "Metadata": metadata} if metadata else made


def packed(folder, **options):
    """Names and texts of the one object that the template needs, and the package."""
    result = package(folder / "template.json", "artifacts", **options)
    (content,) = [content for key, content in result.objects.items() if key.endswith(".zip")]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}, result


MANIFEST = {"dependencies": {"wanted": "1.0.0"}, "devDependencies": {"linter": "2.0.0"}}


def test_packages_that_a_manifest_names_are_installed_beside_the_code(project):
    folder = project({"src/app.js": "code", "src/package.json": MANIFEST}, One=function("nodejs20.x"))
    said = []
    found, _ = packed(folder, say=said.append)
    assert found == {"app.js": "code", "package.json": json.dumps(MANIFEST), "node_modules/wanted/index.js": "1.0.0"}
    assert said == [f"installing {folder / 'src' / 'package.json'}"]
    assert not (folder / "src" / "node_modules").exists()
    (folder / "src" / "app.js").write_text("other")
    found, _ = packed(folder, say=said.append)
    assert (found["app.js"], len(said)) == ("other", 1)


def test_packages_in_the_folder_are_taken_as_they_are(project):
    files = {"src/app.js": "code", "src/package.json": MANIFEST, "src/node_modules/wanted/index.js": "own"}
    assert packed(project(files, One=function("nodejs20.x")))[0]["node_modules/wanted/index.js"] == "own"


def test_without_a_build_nothing_is_installed(project):
    folder = project({"src/app.js": "code", "src/package.json": MANIFEST}, One=function("nodejs20.x"))
    assert sorted(packed(folder, install=False)[0]) == ["app.js", "package.json"]
    skipping = project({}, One=function("nodejs20.x", metadata={"SkipBuild": True}))
    assert sorted(packed(skipping)[0]) == ["app.js", "package.json"]


def test_a_manifest_without_dependencies_needs_no_npm(project, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    folder = project({"src/app.js": "code", "src/package.json": {"type": "module"}}, One=function("nodejs20.x"))
    assert sorted(packed(folder)[0]) == ["app.js", "package.json"]
    (folder / "src" / "package.json").write_text(json.dumps(MANIFEST))
    with pytest.raises(click.ClickException, match="names packages, and there is no npm on the path"):
        packed(folder)


def test_the_reason_of_npm_is_shown(project):
    folder = project({"src/app.js": "", "src/package.json": {"dependencies": {"gone": "none"}}}, One=function("nodejs20.x"))
    with pytest.raises(click.ClickException) as failed:
        packed(folder)
    assert "npm cannot install" in failed.value.message and "404 gone is not in this registry" in failed.value.message
    (folder / "src" / "package.json").write_text("{")
    with pytest.raises(click.ClickException, match="is not JSON"):
        packed(folder)


def test_a_package_of_a_folder_nearby_is_found_from_where_npm_works(project):
    files = {"shared/package.json": {}, "src/app.js": "", "src/package.json": {"dependencies": {"shared": "file:../shared"}}}
    folder = project(files, One=function("nodejs20.x"))
    assert packed(folder)[0]["node_modules/shared/index.js"] == f"file:{folder / 'shared'}"


def test_esbuild_bundles_the_entry_points(project):
    metadata = {
        "BuildMethod": "esbuild",
        "BuildProperties": {"Minify": False, "Target": "ES2020", "Sourcemap": True, "EntryPoints": ["app.ts"], "External": ["@aws-sdk/*"]},
    }
    folder = project({"src/app.ts": "code", "src/package.json": MANIFEST}, One=function("nodejs20.x", metadata=metadata))
    found, result = packed(folder)
    assert found == {
        "app.js": "app.ts --bundle --platform=node --outdir=OUT --log-level=warning --target=es2020 --sourcemap --external:@aws-sdk/*"
    }
    properties = result.template["Resources"]["One"]["Properties"]
    assert properties["Handler"] == "app.handler"
    assert properties["Environment"]["Variables"] == {"NODE_OPTIONS": "--enable-source-maps"}
    assert sorted(path.name for path in (folder / "src").iterdir()) == ["app.ts", "package.json"]


def test_the_handler_follows_its_bundle(project):
    metadata = {"BuildMethod": "esbuild"}
    folder = project({"src/handlers/put.ts": "code"}, One=function("nodejs20.x", "handlers/put.handler", metadata))
    found, result = packed(folder)
    assert found["put.js"].startswith("handlers/put.ts --bundle") and found["put.js"].endswith("--target=es2020 --minify")
    assert result.template["Resources"]["One"]["Properties"]["Handler"] == "put.handler"


@pytest.mark.parametrize(
    ("handler", "properties", "message"),
    [
        ("app.handler", {}, "One: its BuildProperties name no EntryPoints, and .* has no app.ts or .js"),
        ("broken.handler", {}, "One: esbuild cannot bundle broken.ts:\n  ERROR: Expected ; but found end of file"),
        ("broken.handler", {"Plugins": ["x"]}, "One: BuildProperties has Plugins, which Groundcloud does not pass to esbuild"),
    ],
)
def test_what_esbuild_cannot_do_is_said(project, handler, properties, message):
    metadata = {"BuildMethod": "esbuild", "BuildProperties": properties}
    with pytest.raises(click.ClickException, match=message):
        packed(project({"src/broken.ts": ""}, One=function("nodejs20.x", handler, metadata)))


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, ["--target=es2020", "--minify"]),
        ({"Minify": False, "Format": "esm", "OutExtension": [".js=.mjs"]}, ["--target=es2020", "--format=esm", "--out-extension:.js=.mjs"]),
        ({"Minify": True, "MainFields": ["module", "main"]}, ["--target=es2020", "--minify", "--main-fields=module,main"]),
        ({"Target": "es2022", "Loader": [".a=file", ".b=text"]}, ["--target=es2022", "--minify", "--loader:.a=file", "--loader:.b=text"]),
        ({"Minify": False, "SourcesContent": False, "EntryPoints": ["a.ts"], "UseNpmCi": True}, ["--target=es2020"]),
    ],
)
def test_options_of_esbuild(properties, expected):
    assert node_packages.options(properties) == expected


def test_make_leaves_the_package_in_its_artifacts(project):
    makefile = "build-One:\n\tcp app.sh $(ARTIFACTS_DIR)/bootstrap\n\tchmod 755 $(ARTIFACTS_DIR)/bootstrap\n\ttouch left-behind\nbuild-Bad:\n\t@echo no compiler >&2; exit 1\n"
    folder = project(
        {"src/Makefile": makefile, "src/app.sh": "#!/bin/sh"}, One=function("provided.al2023", metadata={"BuildMethod": "makefile"})
    )
    assert packed(folder)[0] == {"bootstrap": "#!/bin/sh"}
    assert sorted(path.name for path in (folder / "src").iterdir()) == ["Makefile", "app.sh"]
    project({}, Bad=function("provided.al2023", metadata={"BuildMethod": "makefile"}))
    with pytest.raises(click.ClickException, match="Bad: make build-Bad failed:\n  no compiler"):
        packed(folder)
    (folder / "src" / "Makefile").unlink()
    with pytest.raises(click.ClickException, match="Bad: its BuildMethod is makefile, and there is no Makefile in"):
        packed(folder)


def test_a_method_that_is_not_known_is_refused_by_name(project):
    folder = project({"src/main.go": ""}, One=function("provided.al2023", metadata={"BuildMethod": "go1.x"}))
    with pytest.raises(click.ClickException, match="One: Groundcloud does not implement the BuildMethod go1"):
        packed(folder)


def layer(**metadata):
    made = {"Type": "AWS::Serverless::LayerVersion", "Properties": {"ContentUri": "src"}}
    return {**made, "Metadata": metadata} if metadata else made


def test_a_layer_is_laid_out_for_its_language(project):
    folder = project({"src/tool.js": "code", "src/package.json": MANIFEST}, Shared=layer(BuildMethod="nodejs20.x"))
    assert set(packed(folder)[0]) == {"nodejs/tool.js", "nodejs/package.json", "nodejs/node_modules/wanted/index.js"}
    project({}, Shared=layer())
    assert set(packed(folder)[0]) == {"tool.js", "package.json"}
    project({}, Shared=layer(BuildMethod="python3.11"))
    assert set(packed(folder)[0]) == {"python/tool.js", "python/package.json"}
    project(
        {"src/Makefile": "build-Shared:\n\tmkdir $(ARTIFACTS_DIR)/bin && cp tool.js $(ARTIFACTS_DIR)/bin\n"},
        Shared=layer(BuildMethod="makefile"),
    )
    assert packed(folder)[0] == {"bin/tool.js": "code"}


def test_requirements_are_installed_by_the_python_that_runs_the_function(project, tmp_path, monkeypatch):
    asked = []

    def pip(command, **options):
        asked.append(command)
        (tmp_path / "cache").mkdir(exist_ok=True)
        place = command[command.index("--target") + 1]
        (requirements.Path(place) / "wanted.py").write_text("installed")
        return requirements.subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(requirements.subprocess, "run", pip)
    monkeypatch.setattr(requirements, "_interpreter", lambda runtime: (f"/python/of/{runtime}", runtime))
    monkeypatch.setattr(requirements.shutil, "which", lambda name: None)
    folder = project({"src/app.py": "code", "src/requirements.txt": "wanted==1\n"}, One=function("python3.12"))
    said = []
    found, _ = packed(folder, say=said.append)
    assert found["wanted.py"] == "installed" and "for Python python3.12" in said[0]
    assert asked[0][:5] == [sys.executable, "-m", "pip", "--python", "/python/of/python3.12"]
    packed(folder)
    assert len(asked) == 1
    project({}, One=function("python3.13"))
    packed(folder)
    assert len(asked) == 2
    (folder / "src" / "requirements.txt").write_text("# nothing\n")
    assert "wanted.py" not in packed(folder)[0] and len(asked) == 2


def test_an_interpreter_is_found_for_every_runtime():
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert requirements._interpreter(f"python{own}")[1] == own
    assert requirements._interpreter("") == (sys.executable, own)


def test_what_sam_has_built_is_not_built_again(project, tmp_path):
    files = {"src/app.js": "bundle", "src/package.json": MANIFEST}
    folder = project(files, One=function("nodejs20.x", metadata={"BuildMethod": "esbuild", "SamResourceId": "One"}))
    built = tmp_path / ".aws-sam" / "build"
    built.parent.mkdir()
    folder.rename(built)
    assert packed(built)[0]["app.js"] == "bundle"


def test_a_file_that_a_template_includes_goes_along(project):
    files = {"api.yaml": "paths: {}", "part.yaml": "Outputs: {}"}
    included = {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "api.yaml"}}}
    elsewhere = {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://other/api.yaml"}}}
    api = {"Type": "AWS::Serverless::Api", "Properties": {"DefinitionBody": included, "Models": elsewhere}}
    folder = project(files, Api=api)
    result = package(folder / "template.json", "artifacts")
    (key,) = result.objects
    properties = result.template["Resources"]["Api"]["Properties"]
    assert properties["DefinitionBody"]["Fn::Transform"]["Parameters"] == {"Location": f"s3://artifacts/{key}"}
    assert properties["Models"] == elsewhere
    assert result.objects[key] == b"paths: {}" and folder / "api.yaml" in result.sources
    (folder / "api.yaml").unlink()
    with pytest.raises(click.ClickException, match=r"AWS::Include: Location names .*api.yaml, which does not exist"):
        package(folder / "template.json", "artifacts")


@pytest.mark.parametrize("works", [0, 1])
def test_a_python_that_pip_is_too_new_for_uses_its_own_pip_or_wheels(tmp_path, monkeypatch, works):
    asked = []

    def pip(command, **options):
        asked.append(command)
        return requirements.subprocess.CompletedProcess(command, len(asked) - 1 - works, "", "")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(requirements.subprocess, "run", pip)
    monkeypatch.setattr(requirements, "_interpreter", lambda runtime: ("/x/python2.7", "2.7"))
    (tmp_path / "requirements.txt").write_text("wanted==1\n")
    assert (requirements.installed(tmp_path, "python2.7", str) / requirements.COMPLETE).exists()
    assert asked[0][:4] == ["/x/python2.7", "-m", "pip", "install"]
    for command in asked[1:]:
        assert command[:4] == [sys.executable, "-m", "pip", "install"] and {"--python-version", "2.7", "--only-binary=:all:"} <= {*command}
    assert len(asked) == 1 + works


def test_a_link_to_a_folder_is_followed_but_not_in_a_circle(project):
    folder = project({"src/app.js": "code", "shared/lib/tool.js": "tool"}, One=function("nodejs20.x"))
    (folder / "src" / "lib").symlink_to(folder / "shared" / "lib")
    (folder / "shared" / "lib" / "self").symlink_to(folder / "shared")
    (folder / "src" / "here").symlink_to(folder / "src")
    (folder / "src" / "one.js").symlink_to("app.js")
    (folder / "src" / "gone.js").symlink_to("nowhere.js")
    assert packed(folder)[0] == {"app.js": "code", "lib/tool.js": "tool", "one.js": "code"}
