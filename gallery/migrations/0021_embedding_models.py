from typing import Any

import django.db.models.deletion
from django.db import migrations, models


def record_models(apps: Any, schema_editor: Any) -> None:
    """The counts are those of the model that imported the film; levels are kept by model."""
    alias = schema_editor.connection.alias
    films = apps.get_model("gallery", "Film").objects.using(alias)
    imported_by = films.filter(pk=models.OuterRef("film")).values("model")[:1]
    counts = apps.get_model("gallery", "LabelCount").objects.using(alias)
    counts.update(model=models.Subquery(imported_by))
    for label in apps.get_model("gallery", "Label").objects.using(alias).exclude(scale={}):
        scale = dict(label.scale)
        label.scale = {scale.pop("model"): scale} if "model" in scale else {}
        label.save(update_fields=["scale"])


def forget_models(apps: Any, schema_editor: Any) -> None:
    """Labels are measured and counted again."""
    alias = schema_editor.connection.alias
    apps.get_model("gallery", "Label").objects.using(alias).update(scale={}, applied=None)
    apps.get_model("gallery", "LabelCount").objects.using(alias).delete()
    apps.get_model("gallery", "Film").objects.using(alias).update(labelled_as="")


class Migration(migrations.Migration):

    dependencies = [
        ('gallery', '0020_installation'),
    ]

    operations = [
        migrations.CreateModel(
            name='EmbeddingModel',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('fingerprint', models.CharField(editable=False, max_length=12, unique=True)),
                ('name', models.CharField(editable=False, max_length=400, verbose_name='model')),
                ('edges', models.CharField(editable=False, max_length=8)),
                ('state', models.CharField(choices=[('filling', 'being filled'), ('active', 'in use'), ('previous', 'kept'), ('discarded', 'being removed')], editable=False, max_length=10, verbose_name='status')),
                ('is_exact', models.BooleanField(default=False, editable=False)),
                ('switches_itself', models.BooleanField(default=True, editable=False)),
                ('is_next', models.BooleanField(default=False, editable=False)),
                ('speed', models.FloatField(editable=False, null=True)),
                ('error', models.TextField(blank=True, editable=False, verbose_name='error')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='added')),
                ('switched_at', models.DateTimeField(editable=False, null=True)),
            ],
            options={
                'verbose_name': 'model',
                'verbose_name_plural': 'models',
                'constraints': [models.UniqueConstraint(condition=models.Q(('state', 'active')), fields=('state',), name='one_active_embedding_model')],
            },
        ),
        migrations.CreateModel(
            name='FilmVectors',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('model', models.CharField(max_length=12)),
                ('run', models.PositiveIntegerField()),
                ('labelled_as', models.CharField(blank=True, max_length=16)),
                ('labelled', models.DateTimeField(null=True)),
                ('film', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='other_vectors', to='gallery.film')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('film', 'model'), name='one_row_for_film_and_model')],
            },
        ),
        migrations.CreateModel(
            name='Reembedding',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('run', models.PositiveIntegerField()),
                ('version', models.CharField(max_length=40)),
                ('position', models.PositiveIntegerField(default=0, null=True)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('film', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='reembedding', to='gallery.film')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.RemoveConstraint(
            model_name='labelcount',
            name='one_label_count_each',
        ),
        migrations.AddField(
            model_name='labelcount',
            name='model',
            field=models.CharField(default='', max_length=12),
            preserve_default=False,
        ),
        migrations.AddConstraint(
            model_name='labelcount',
            constraint=models.UniqueConstraint(fields=('label', 'film', 'model'), name='one_count_for_model'),
        ),
        migrations.RunPython(record_models, forget_models),
    ]
